"""Makes the database file of the version that is checked out."""

import lzma
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitDatabase
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.released import Company
from recruit_assets_tests.syncing import MART_ASSETS, resources

company, packed = Company(), Path(sys.argv[1])
with (
    TemporaryDirectory() as folder,
    company.sandbox.serve(),
    dg.DagsterInstance.ephemeral() as instance,
):
    project = Project(company.sandbox, Path(folder) / "made.duckdb", instance)
    for endpoint in ENDPOINTS:
        project.sync(endpoint.name, mode=Mode.full)
    company.live()
    for endpoint in ENDPOINTS:
        project.sync(endpoint.name, mode=Mode.full)
    database = RecruitDatabase(database=str(project.path))
    dg.materialize(MART_ASSETS, resources=resources(database), instance=instance)
    packed.write_bytes(lzma.compress(project.path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
