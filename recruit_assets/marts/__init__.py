"""The answers: one SQL file for each table of `recruit_marts`, what builds, draws and reports them.

What lives here: SQL that an analyst can read and change, and the little that runs it. `mart` reads
a file, `build` makes its table and checks it, `charts` draws it, `report` puts all on one page.
Dagster's side of it is in `mart_assets`.
"""
