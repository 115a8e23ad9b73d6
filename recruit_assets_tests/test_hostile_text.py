"""A company whose texts are an attack, from the API to every place that shows them."""

import json
import re
from pathlib import Path
from unicodedata import category

import dagster as dg
import duckdb
import pytest
import requests
from markdown_it import MarkdownIt
from playwright.sync_api import Browser

from recruit_assets.cli.main import main
from recruit_assets.extract.query import Query
from recruit_assets.marts.mart import MARTS
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, metadata
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.syncing import ASSETS, MART_ASSETS

pytestmark = pytest.mark.ring(2)

CONTROLS = [
    *range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF
]  # fmt: skip
HALF = "HALF-A-PAIR"  # in the place of a lone surrogate until the answer is bytes
MARKUP = "x](http://127.0.0.1:9/a) ![y](http://127.0.0.1:9/b)<img src=http://127.0.0.1:9/c>"
SCRIPT = "<script>document.title='run'</script><svg onload=\"document.title='run'\">"
FORGED = "7\n\x1b[31mERROR forged\x07"  # an id
BACKWARDS = "9\u202e\n\x1b]0;forged\x07\u2066"
PARSER = MarkdownIt()
# By path, the attribute that is shown of it.
SHOWN = {
    "jobs": "title",
    "stages": "name",
    "reject-reasons": "reason",
    "departments": "name",
    "job-applications": "referring-site",
}


def hostile(number: int) -> str:
    """One of the texts: between them they have every control, markup, and half a pair."""
    if number == 0:
        return HALF
    some = "".join(f"{chr(code)}a" for code in CONTROLS[number % 8 :: 8])
    return f"{(MARKUP, SCRIPT, some, '😀' * 40, '', 'x' * 1000)[number % 6]}{some}{number}"


def attack(project: Project) -> None:
    """Put the texts everywhere; half a pair only fits into the bytes of an answer."""
    sandbox, world = project.sandbox, project.sandbox.world
    world.add("departments", {"name": "Odd"}, id=FORGED)
    world.add("users", id=BACKWARDS)
    for number, job in enumerate(world.records("jobs")):
        odd = {"department": FORGED} if number % 2 else {}
        world.change("jobs", job["id"], {}, {"user": BACKWARDS, **odd})
    for path, attribute in SHOWN.items():
        records = world.records(path)
        for number, record in enumerate(records):
            world.change(path, record["id"], {attribute: hostile(number)})
        query = Query.everything(BY_NAME[path.replace("-", "_")])
        for page in range(1, -(-len(records) // 30) + 1):
            headers = {"api": KEY, "X-Api-Version": "20240904"}
            url = f"{sandbox.base_url.rstrip('/')}/{path}?{query.page(page)}"
            body = requests.get(url, headers=headers, timeout=10).content
            assert json.loads(body)["data"]
            body = body.replace(HALF.encode(), rb"Half\ud800 a pair")
            sandbox.fail(path, page=page, times=None, status=200, body=body)


def materialize(project: Project, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """Sync assets whole and make the report, in a real run."""
    return dg.materialize(
        [*assets, *MART_ASSETS],
        resources=project.resources(),
        instance=project.instance,
        run_config={"ops": {each.node_def.name: {"config": {"mode": "full"}} for each in assets}},
    )


def commands_print_plain_text(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run `status` and `doctor` on a project, and look at each character that they print."""
    monkeypatch.setenv("RECRUIT_API_BASE_URL", project.sandbox.base_url)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    monkeypatch.setenv("RECRUIT_API_REQUESTS_PER_10S", "0")
    for command in (["status"], ["status", "--json"], ["doctor"], ["doctor", "--json"]):
        main(command)
        printed = capsys.readouterr()
        assert "departments" in printed.out
        assert is_plain(printed.out + printed.err)


def is_plain(text: str) -> bool:
    """Whether a text has no character that a terminal obeys or hides, but ends of lines."""
    found = {category(letter) for letter in text.replace("\n", "")}
    return not found & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def logged(project: Project, run_id: str) -> list[str]:
    """What a run logged, without Dagster's own events."""
    entries = project.instance.all_logs(run_id)
    return [each.user_message for each in entries if each.dagster_event is None]


def pictures(result: dg.ExecuteInProcessResult, page: str) -> tuple[int, int]:
    """How many pictures the metadata and the report have; in Markdown each is but a picture."""
    drawn = 0
    for mart in MARTS:
        shown = metadata(result, mart.name)["picture"]
        drawing = re.sub(r"data:image/svg\+xml;base64,[\w+/=]+", "/drawing.svg", shown)
        if shown != drawing:
            (picture,) = [each for token in PARSER.parse(drawing) for each in token.children or ()]
            assert picture.attrs["src"] == "/drawing.svg"
            assert {each.type for each in picture.children or ()} == {"text"}
            drawn += 1
    return drawn, page.count("<svg ")


def test_an_id_cannot_forge_lines_of_the_log(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.sandbox.world.add("departments", id=FORGED)
    project.materialize("departments")
    project.sandbox.world.remove("departments", FORGED)
    project.sandbox.fail(f"departments/{FORGED}", status=500, times=None)
    result = project.materialize("departments", raises=False, mode="full")
    lines = logged(project, result.run_id)
    assert any("forged" in line for line in lines)
    for line in lines:
        assert is_plain(line), ascii(line)
        assert "\n" not in line
    reasons = [reason for (reason,) in project.query("SELECT reason FROM recruit_meta.syncs")]
    assert all(is_plain(reason) and "\n" not in reason for reason in reasons if reason)
    with_escape = "UPDATE recruit_meta.syncs SET verdict = 'failed', reason = 'old \x1b[31m red'"
    with duckdb.connect(str(project.path)) as database:
        database.execute(with_escape)
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    main(["status"])
    shown = capsys.readouterr().out
    assert "red" in shown
    assert is_plain(shown)


@FULL
def test_hostile_texts_cost_nothing_but_their_own_characters(
    project: Project,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    report = project.path.with_name("test-report.html")
    project.sync_all()
    plain = pictures(materialize(project), report.read_text())
    attack(project)
    result = materialize(project, *ASSETS)
    assert pictures(result, report.read_text()) == plain
    assert plain[0] > 5
    lines = logged(project, result.run_id)
    assert len(lines) > len(ASSETS)
    for line in lines:
        assert is_plain(line), ascii(line)
        assert "\n" not in line
    for check in result.get_asset_check_evaluations():
        assert is_plain(check.description or ""), check
    assert project.query("FROM recruit.jobs WHERE contains(title, chr(0))")
    assert project.query("FROM recruit.jobs WHERE contains(_unparsed::VARCHAR, 'ud800')")

    # Not before the runs: the browser's event loop would be in their way.
    browser: Browser = request.getfixturevalue("browser")
    with browser.new_context() as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        assert asked == [report.as_uri()]
        assert page.title() == "Hiring report"
        assert page.locator("figure svg").count() == plain[1]

    monkeypatch.chdir(tmp_path)
    commands_print_plain_text(project, monkeypatch, capsys)
