"""The command line `recruit-assets`: `doctor`, `sync` and `status`.

`main` parses the arguments. `doctor` examines settings, API and database, `sync` runs Dagster's
jobs, and `load.overview` reads the state of the tables. The modules called `..._report` print what
these find, in the layout of `display`.
"""
