"""The marts: one SQL file for each table of `recruit_marts`, and the code that runs it.

The SQL is written for analysts to read and change. `mart` reads a file, `build` creates its table
and checks it, `charts` draws it, `report` puts all on one page. `mart_assets` has the Dagster
assets.
"""
