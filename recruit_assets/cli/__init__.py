"""The command line `recruit-assets`: `doctor` and `status`.

`doctor` examines settings, API and database, `display` formats the results for a terminal and as
JSON, `main` parses the arguments. `load.overview` reads the state of the tables.
"""
