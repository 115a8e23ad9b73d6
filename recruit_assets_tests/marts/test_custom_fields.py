"""Custom fields as typed columns of views: complete, as they are now, and private ones left out."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.marts.custom_fields import (
    FIELDS,
    VALUES,
    Field,
    column_names,
    ensure_custom_views,
)
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets.person import File, find, forget, only
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.marts.conftest import answer
from recruit_assets_tests.rings import FULL, sized

TABLES = (FIELDS, VALUES, "candidates", "jobs")
HOSTILE = "x\"; DROP SCHEMA recruit CASCADE; -- ' \x00\u202e"


class Fields:
    """The custom fields of a project, and their values."""

    def __init__(self, project: Project) -> None:
        self.project, self.world = project, project.sandbox.world
        for name in ("custom-field-values", "custom-field-options", "custom-fields"):
            for id_ in list(self.world.table(name)):
                self.world.remove(name, id_)

    def add(self, name: str, type_: str, owner: str = "Candidate", **more: Any) -> str:
        """Add a field; return its id."""
        attributes = {"name": name, "api-name": name, "owner-type": owner, "is-private": False}
        attributes["field-type"] = f"CustomField::{type_}"
        more = {key.replace("_", "-"): value for key, value in more.items()}
        return self.world.add("custom-fields", attributes | more)

    def set(self, field: str, owner: str, value: Any, table: str = "candidates") -> str:
        """Give an owner a value of a field."""
        type_ = self.world.table("custom-fields")[field]["attributes"]["field-type"]
        return self.world.add(
            "custom-field-values",
            {"field-type": type_, "value": value},
            {"custom-field": field, "owner": {"type": table, "id": owner}},
        )

    def sync(self, *names: str, private: bool = False) -> None:
        for name in names or TABLES:
            self.project.sync(name, mode=Mode.full)
        with connection(str(self.project.path), {}, 0.1) as database:
            ensure_custom_views(database, private=private)

    def values(self, id_: str, view: str = "candidates_custom") -> dict[str, Any]:
        """The row of an owner; nothing if there is none."""
        names = [name for name, *_ in self.project.query(f"DESCRIBE recruit_now.{view}")]
        rows = self.project.query(f"FROM recruit_now.{view} WHERE id = '{id_}'")
        return dict(zip(names, rows[0], strict=True)) if rows else {}


@pytest.fixture
def fields(project: Project) -> Fields:
    return Fields(project)


@pytest.mark.ring(2)
def test_every_type_is_a_column_and_every_current_owner_a_row(fields: Fields) -> None:
    world = fields.world
    one, other = sorted(world.table("candidates"))[:2]
    job = min(world.table("jobs"))
    shown = {
        "Start date": ("Date", "2026-10-01", date(2026, 10, 1)),
        "Relocates": ("Checkbox", "true", True),
        "Notice": ("Number", "2.5", 2.5),
        "Languages": ("MultiSelect", ["Swedish", "English"], ["Swedish", "English"]),
        "Cloud": ("Select", "Stratus", "Stratus"),
        "Motto": ("Text", "Zyx", "Zyx"),
        "Site": ("Url", "https://zyx.example", "https://zyx.example"),
    }
    for name, (type_, value, _) in shown.items():
        fields.set(fields.add(name, type_), one, value)
    fields.set(fields.add("Budget", "Number", "Job"), job, "7", "jobs")
    fields.sync()
    expected = {name.lower().replace(" ", "_"): value for name, (*_, value) in shown.items()}
    assert fields.values(one) == {"id": one} | expected
    assert fields.values(other) == {"id": other} | dict.fromkeys(expected)
    assert fields.values(job, "jobs_custom") == {"id": job, "budget": 7.0}
    for table in ("candidates", "jobs"):
        ids = fields.project.query(f"SELECT id FROM recruit_now.{table}_custom")
        assert {id_ for (id_,) in ids} == set(world.table(table))
    types = dict(
        fields.project.query(
            "SELECT column_name, column_type FROM (DESCRIBE recruit_now.candidates_custom)"
        )
    )
    assert types["languages"] == "VARCHAR[]"


@pytest.mark.ring(2)
def test_it_shows_what_changes(fields: Fields) -> None:
    world = fields.world
    one, other = sorted(world.table("candidates"))[:2]
    text, number = fields.add("Level", "Text"), fields.add("Grade", "Number")
    lost = fields.add("Lost", "Text")
    values = [fields.set(text, one, "5"), fields.set(number, one, "6")]
    fields.set(number, other, "8")
    fields.set(lost, one, "Zyx")
    fields.sync()
    assert fields.values(one) == {"id": one, "level": "5", "grade": 6.0, "lost": "Zyx"}

    world.change("custom-fields", text, {"name": "Rank", "field-type": "CustomField::Number"})
    world.change("custom-fields", number, {"field-type": "CustomField::Text"})
    world.remove("custom-fields", lost)
    world.remove("custom-field-values", values[1])
    fields.sync(FIELDS, VALUES)
    assert fields.values(one) == {"id": one, "level": 5.0, "grade": None}
    assert fields.values(other) == {"id": other, "level": None, "grade": "8.0"}
    ((comment,),) = fields.project.query(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'candidates_custom' "
        "AND column_name = 'level'"
    )
    assert comment == f"Rank (custom field {text})"

    file = File(str(fields.project.path))
    forget(file, KNOWN_ENDPOINTS, only(find(file, KNOWN_ENDPOINTS, other)), "by hand")
    assert fields.values(other) == {}
    for name in ("custom-field-values", "custom-fields"):
        for id_ in list(world.table(name)):
            world.remove(name, id_)
    with connection(str(fields.project.path), {}, 0.1) as database:
        database.execute(f"UPDATE recruit.{FIELDS} SET _deleted_at = now()")
        ensure_custom_views(database)
    assert fields.values(one) == {"id": one}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([("9", "5"), ("10", "6")], "6"),
        ([("9", "5"), ("10", None)], None),
        ([("v-1", "5"), ("v-2", "6")], "6"),
        ([("v-2", None), ("v-1", "6")], None),
        ([("v-2", None), ("1", "6")], "6"),  # a number is newer than an id that is none
        ([], None),
    ],
)
def test_the_newest_of_several_values_counts_whatever_it_is(
    tmp_path: Path, values: list[tuple[str, str | None]], shown: str | None
) -> None:
    with connection(str(tmp_path / "some.duckdb"), {}, 0.1) as database:
        database.execute(f"""
            CREATE SCHEMA recruit;
            CREATE TABLE recruit.candidates AS SELECT '1' AS id, NULL::TIMESTAMPTZ AS _deleted_at;
            CREATE TABLE recruit.{FIELDS} AS SELECT 'f' AS id, 'Level' AS api_name,
                'Candidate' AS owner_type, NULL::TIMESTAMPTZ AS _deleted_at;
            CREATE TABLE recruit.{VALUES} (id VARCHAR, value VARCHAR);
        """)
        for each in values:
            database.execute(f"INSERT INTO recruit.{VALUES} VALUES (?, ?)", list(each))
        database.execute(f"""
            CREATE OR REPLACE TABLE recruit.{VALUES} AS SELECT *, 'f' AS custom_field_id,
                '1' AS owner_id, 'candidates' AS owner_type, NULL::TIMESTAMPTZ AS _deleted_at
            FROM recruit.{VALUES}
        """)
        ensure_custom_views(database)
        found = database.execute("FROM recruit_now.candidates_custom").fetchall()
    assert found == [("1", shown)]


@pytest.mark.ring(2)
def test_names_that_clash_private_fields_and_hostile_names(fields: Fields) -> None:
    one = min(fields.world.table("candidates"))
    same = [fields.add(name, "Text") for name in ("Car", "car", "CAR!", "id", HOSTILE, "  ")]
    for field in same:
        fields.set(field, one, field)
    secret = fields.add("Secret", "Text", is_private=True)
    fields.set(secret, one, "Zyx")
    public = fields.add("Secret", "Text")
    fields.sync()
    first, second, third, id_, hostile, blank = same
    expected = {
        "id": one,
        "car": first,
        f"car_{second}": second,
        f"car_{third}": third,
        f"id_{id_}": id_,
        "x_drop_schema_recruit_cascade": hostile,
        "field": blank,
        f"secret_{public}": None,
    }
    assert fields.values(one) == expected
    fields.sync(FIELDS, private=True)
    assert fields.values(one) == expected | {"secret": "Zyx"}
    fields.sync(FIELDS)
    assert fields.values(one) == expected


@pytest.mark.ring(2)
@FULL
def test_without_the_tables_there_are_no_views_and_a_users_own_stay(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.sync("candidates")
    made = "SELECT view_name FROM duckdb_views() WHERE view_name LIKE '%_custom'"
    with connection(str(project.path), {}, 0.1) as database:
        ensure_custom_views(database)
        assert not database.execute(made).fetchall()
    project.sync(FIELDS)
    project.sync(VALUES)
    with connection(str(project.path), {}, 0.1) as database:
        ensure_custom_views(database)
        assert database.execute(made).fetchall() == [("candidates_custom",)]
        database.execute(f"DROP TABLE recruit.{VALUES}")
        ensure_custom_views(database)
        assert not database.execute(made).fetchall()
        database.execute("CREATE VIEW recruit_now.candidates_custom AS SELECT 1 AS mine")
        with pytest.raises(DatabaseProblem, match="is a view that somebody else created"):
            ensure_custom_views(database)
    assert answer(project.path, instance).query("FROM recruit_now.candidates_custom") == [
        {"mine": 1}
    ]


@settings(max_examples=sized(10, 20, 300))
@given(st.lists(st.tuples(st.text(max_size=4), st.sampled_from(["", "a", "A b", "id", "a_2"]))))
def test_every_field_has_a_name_of_its_own(names: list[tuple[str, str]]) -> None:
    fields = [Field(str(number), *each, "") for number, each in enumerate(names)]
    found = column_names(fields)
    assert set(found) == {field.id for field in fields}
    lower = [name.lower() for name in found.values()]
    assert len({*lower, "id"}) == len(lower) + 1
    assert column_names([*fields, Field("999", "a", "a", "")]).items() >= found.items()
