"""The jobs about one person: `export_person` and `forget_person`.

Dagster stores the config of every run. So it has the id of a candidate as a number: Dagster refuses
anything else, such as an e-mail address, before it creates a run. `person` does what they ask for.
"""

from collections.abc import Collection
from pathlib import Path

import dagster as dg
from pydantic import Field

from recruit_assets.account import Account
from recruit_assets.catalogue import Endpoint
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.person import File, export, find, forget, only, rows_written
from recruit_assets.resources import RecruitDatabase
from recruit_assets.schedules import EXECUTOR

EXPORT_PERSON, FORGET_PERSON = "export_person", "forget_person"  # the jobs
EXPORT, FORGET = "write_person", "erase_person"  # their ops
PERSON_OPS = (EXPORT, FORGET)
ID = "The id of the candidate, a number; no e-mail address, because Dagster stores this config"


class ForgetConfig(dg.Config):
    """Name the person to forget."""

    person: int = Field(description=ID)


class ExportConfig(dg.Config):
    """Name the person to export, and the file."""

    person: int = Field(description=ID)
    file: str = Field(description="A new JSON file, on the machine that runs the job")


def build_person_jobs(account: Account, endpoints: Collection[Endpoint]) -> list[dg.JobDefinition]:
    """Build the jobs about one person of an account.

    Args:
        account: the account, which names jobs, ops and resources.
        endpoints: the endpoints whose rows may belong to a person.
    """

    @dg.op(
        name=account.op(EXPORT),
        required_resource_keys={account.database},
        description="Write everything that the tables hold of one candidate to a JSON file.",
    )
    def write(context: dg.OpExecutionContext, config: ExportConfig) -> None:
        """Export a person; a failure leaves no file."""
        with as_dagster_failure():
            file = _file(context, account)
            match = only(find(file, endpoints, str(config.person)))
            tables = export(file, endpoints, match, Path(config.file))
        context.log.info(rows_written(tables))

    @dg.op(
        name=account.op(FORGET),
        required_resource_keys={account.database},
        description="Erase one candidate and all that leads to it, and leave it out of syncs.",
    )
    def erase(context: dg.OpExecutionContext, config: ForgetConfig) -> None:
        """Forget a person; a failure says what was done."""
        with as_dagster_failure():
            file = _file(context, account)
            match = only(find(file, endpoints, str(config.person)))
            context.log.info(forget(file, endpoints, match, context.run_id))

    @dg.job(
        name=account.named(EXPORT_PERSON),
        description="Write everything about one candidate to a JSON file. Needs config: the id.",
        executor_def=EXECUTOR,
    )
    def export_person() -> None:
        write()

    @dg.job(
        name=account.named(FORGET_PERSON),
        description="Erase one candidate, and leave it out of syncs. Needs config: the id.",
        executor_def=EXECUTOR,
    )
    def forget_person() -> None:
        erase()

    return [export_person, forget_person]


def _file(context: dg.OpExecutionContext, account: Account) -> File:
    duckdb: RecruitDatabase = getattr(context.resources, account.database)
    return File(duckdb.database, duckdb.account, duckdb.wait_seconds, duckdb.connection_config)
