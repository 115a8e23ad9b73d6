"""The command line `recruit-assets`: `doctor`, `sync`, `status` and `person`.

`main` parses the arguments. `doctor` examines settings, API and database, `sync` runs Dagster's
jobs, `load.overview` reads the state of the tables, and `person` answers for one candidate. The
modules called `..._report` print what these find, in the layout of `display`.
"""
