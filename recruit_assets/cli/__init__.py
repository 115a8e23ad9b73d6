"""The command line `recruit-assets`: `doctor` and `status`.

What lives here: what the commands find out (`doctor`), how it looks on a terminal and as JSON
(`display`), and how they are called (`main`). What is in the tables is asked of `load.overview`.
"""
