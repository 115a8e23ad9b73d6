"""The user's own rules: which stages are interviews, and what sources are."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import DatabaseProblem
from recruit_assets.marts.rules import Rules, SourceRule, StageRule, rules_path
from recruit_assets_tests.marts.conftest import Answering, Answers
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

SOURCES = "site,source,source_type\n"
RULES = "stage,stage_group,stuck_after_days\n"


def groups(answers: Answers) -> dict[str, str | None]:
    stages = "SELECT DISTINCT stage, stage_group FROM recruit_marts.stage_spells"
    return {row["stage"]: row["stage_group"] for row in answers.query(stages)}


def test_names_say_the_group_in_english_and_swedish(case_answers: Answers) -> None:
    found = groups(case_answers)
    assert found.items() >= {
        ("Interview", "Interview"),
        ("Första intervjun", "Interview"),
        ("Offer", "Offer"),
        ("Erbjudande", "Offer"),
        ("Urval", "Screening"),
        ("Inkorg", "Inbox"),
        ("Anställd", "Hired"),
        ("Step three", None),
        ("Sifting", None),
    }


def test_where_no_stage_is_known_as_an_interview_nobody_says_who_had_one(
    case_answers: Answers,
) -> None:
    by_job: dict[str, set[bool | None]] = {}
    for row in case_answers.mart("applications"):
        by_job.setdefault(row["job_id"], set()).add(row["interviewed"])
    assert {frozenset(each) for each in by_job.values()} >= {
        frozenset([None]),
        frozenset([True, False]),
    }
    for row in case_answers.mart("source_of_hire"):
        assert (row["interview_rate"] is None) == (row["with_interviews"] == 0)


def test_the_users_file_says_what_names_do_not(answering: Answering, tmp_path: Path) -> None:
    path = rules_path(str(tmp_path / "unread.duckdb"), "stages")
    assert path.name == "unread-stages.csv"
    path.write_text(f"{RULES}step THREE,Interview,\nInbox,,400\n")
    answers = answering(4)
    applications = answers.mart("applications")
    assert None not in {row["interviewed"] for row in applications}
    inbox = [row for row in applications if row["stage"] == "Inbox" and row["outcome"] == "active"]
    assert {row["stuck_after_days"] for row in inbox} == {400}
    stuck = [row["application_id"] for row in answers.mart("stuck_applications")]
    waiting = [row for row in inbox if row["job_is_open"] and row["days_in_stage"] >= 14]
    assert (
        {row["application_id"] for row in waiting} - set(stuck)
        == {row["application_id"] for row in waiting if row["days_in_stage"] < 400}
        != set()
    )


@FULL
def test_the_users_file_says_what_sources_are(answering: Answering, tmp_path: Path) -> None:
    path = rules_path(str(tmp_path / "unread.duckdb"), "sources")
    assert path.name == "unread-sources.csv"
    path.write_text(f"{SOURCES}first.example,,\nWWW.LinkedIn.com/jobs,Social,direct\n")
    rows = answering(4).mart("applications")
    assert "linkedin.com" not in {row["source"] for row in rows}
    social = {row["source_type"] for row in rows if row["source"] == "Social"}
    assert social == {"direct", "referral", "sourced", "internal"}  # no job board any more


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_rules_name_is_what_duckdb_makes_of_the_stages(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    with TemporaryDirectory() as folder:
        path = rules_path(f"{folder}/some.duckdb", "stages")
        path.write_text(f"{RULES}{quoted},,\n", encoding="utf-8", newline="")
        if not name.strip():
            with pytest.raises(DatabaseProblem, match=r"Line .* needs a stage"):
                Rules.read(f"{folder}/some.duckdb")
            return
        (rule,) = Rules.read(f"{folder}/some.duckdb").stages
    in_duckdb = duckdb.execute("SELECT lower(?)", [name.strip()]).fetchall()
    assert in_duckdb == [(rule.stage,)]


def test_files_of_rules_are_read(tmp_path: Path) -> None:
    database = str(tmp_path / "some.duckdb")
    assert Rules.read(database) == Rules([], [])
    path = tmp_path / "some-stages.csv"
    path.write_text(f"\ufeff{RULES} Prat ,Interview,3\nPaus,,\n", encoding="utf-8")
    (tmp_path / "some-sources.csv").write_text(f"{SOURCES}A.example,Agency,sourced\nb.se,,\n")
    assert Rules.read(database) == Rules(
        [StageRule("prat", "Interview", 3), StageRule("paus", None, None)],
        [SourceRule("a.example", "Agency", "sourced"), SourceRule("b.se", None, None)],
    )


@pytest.mark.parametrize(
    ("what", "text", "said"),
    [
        ("stages", "stage,group\n", "must begin with the line stage,stage_group,stuck_after_days"),
        ("stages", f"{RULES}Prat,Talk,\n", "Line 2 of .* unknown stage_group: use Screening, Int"),
        ("stages", f"{RULES}Prat,Inbox,\n", "Line 2 of .* unknown stage_group: use Screening, Int"),
        ("stages", f"{RULES}Prat,Hired,\n", "Line 2 of .* use .*, Assessment, Offer, or none"),
        ("stages", f"{RULES}Prat,,\nPaus,,soon\n", "Line 3 of .* needs whole days"),
        ("stages", f"{RULES}Prat, om livet,Interview,3\n", "Line 2 of .* more values than columns"),
        ("stages", f"{RULES},Interview,3\n", "Line 2 of .* needs a stage that no other line has"),
        ("stages", f"{RULES}Prat,,\nPRAT ,,3\n", "Line 3 of .* needs a stage that no other line"),
        ("sources", f"{SOURCES}a.se,,\nA.se,A,\n", "Line 3 of .* needs a site that no other line"),
        ("sources", "site\n", "must begin with the line site,source,source_type"),
        ("sources", f"{SOURCES}a.se,,agency\n", "Line 2 of .* unknown source_type: use referral,"),
    ],
)
def test_what_is_no_rule_is_refused(tmp_path: Path, what: str, text: str, said: str) -> None:
    (tmp_path / f"some-{what}.csv").write_text(text)
    with pytest.raises(DatabaseProblem, match=said):
        Rules.read(str(tmp_path / "some.duckdb"))


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("Prat,,\nFörsta,Interview,\n", "cp1252", "Line 3 of .* is not in UTF-8: save the file as"),
        ("Prat,,\n", "utf-16", "Line 1 of .* is not in UTF-8: save the file as CSV in UTF-8"),
        (f"Prat,,\n{'x' * 200_000},,\n", "utf-8", "is not CSV from line 3 on .*: correct it, or"),
        ('Prat,,\n"Paus,,\nLunch,,\n', "utf-8", "is not CSV from line 3 on .*: correct it, or"),
    ],
)
def test_a_file_that_is_no_csv_in_utf8_is_refused(
    tmp_path: Path, text: str, encoding: str, said: str
) -> None:
    (tmp_path / "some-stages.csv").write_bytes(f"{RULES}{text}".encode(encoding))
    with pytest.raises(DatabaseProblem, match=said):
        Rules.read(str(tmp_path / "some.duckdb"))
