"""What `docs/performance.md` shows of `speed`: the table, and the plot beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[2]
PAGE, PLOT = "docs/performance.md", "docs/speed"
BEGIN, END = "<!-- make bench -->\n", "<!-- made -->"
BUDGET, WINDOW_SECONDS = 50, 10
DLT, AIRBYTE, OURS = "dlt 1.31.0", "PyAirbyte 0.71.3", "recruit-assets"
BARE = "recruit-assets, the syncs alone"
DAGSTERS_LOG = "recruit-assets, with Dagster's own event log"
COLOURS = {DLT: "#8d99ae", AIRBYTE: "#5c677d", OURS: "#c1440e"}
NAMES = {
    "regions": "`--select regions`",
    "a11": "all, into an empty file",
    "a113": "all, into an empty file",
    "a1100": "all, into an empty file",
    "b": "the same, 250 ms latency and 50 requests per 10 s",
    "c": "all again, nothing changed",
    "c20": "the same, the 20th time",
    "d": "all again, 1 % changed",
    "e": "incremental, 1 % changed",
}


@dataclass(frozen=True)
class Result:
    """One command: seconds in all, from the first request to its end, and between requests."""

    scenario: str
    tool: str
    records: int
    seconds: float
    reading: float
    requesting: float
    peak_mb: float
    requests: int
    refused: int
    file_mb: float
    served_in: float
    rounds: int = 1

    def of(self, rounds: int) -> "Result":
        """The same, as the median of so many."""
        return replace(self, rounds=rounds)

    @property
    def floor(self) -> float:
        """Seconds in which so many requests can be made, with never more than 50 in any ten."""
        return float((self.requests - 1) // BUDGET * WINDOW_SECONDS)


def lines(results: list[Result]) -> Iterator[str]:
    """The table."""
    head = ["sync", "records", "tool", "seconds", "records/s", "peak MB", "requests", "429", "MB"]
    yield f"| {' | '.join(head)} |"
    yield "| --- | ---: | --- |" + " ---: |" * (len(head) - 3)
    for each in sorted(results, key=lambda each: list(NAMES).index(each.scenario)):
        whole = each.scenario not in ("regions", "e")
        cells = [
            f"{NAMES[each.scenario]} ({f'median of {each.rounds}' if each.rounds > 1 else 'once'})",
            f"{each.records:,}" if whole else "",
            each.tool,
            f"{each.seconds:.1f}",
            f"{each.records / each.seconds:,.0f}" if whole else "",
            f"{each.peak_mb:,.0f}",
            f"{each.requests:,}",
            str(each.refused),
            f"{each.file_mb:.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def ratios(results: list[Result]) -> str:
    """What the table comes to."""
    seconds = {(each.scenario, each.tool): each.seconds for each in results}
    (ours,) = [each for each in results if (each.scenario, each.tool) == ("a113", OURS)]
    return (
        f"So {ours.records:,} records take {seconds['a113', DLT] / ours.seconds:.1f} times as long "
        f"with dlt and {seconds['a113', AIRBYTE] / ours.seconds:.1f} times as long with PyAirbyte. "
        f"From the first request to the end, {ours.records / ours.reading:,.0f} records arrive per "
        "second. In a small sync, everything around the syncs (checks, previews, metadata) takes "
        f"{seconds['a11', OURS] - seconds['a11', BARE]:.1f} s, and Dagster's own event log would "
        f"add {seconds['a11', DAGSTERS_LOG] - seconds['a11', OURS]:.1f} s."
    )


def plot(results: list[Result]) -> None:
    """Time and memory of a first load, and time at a rate limit, as PNG and SVG."""
    mpl.rcParams.update({"svg.hashsalt": "speed", "font.size": 9})
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.2), layout="constrained")
    panels = [
        ("a113", "seconds", "seconds"),
        ("a113", "peak_mb", "peak memory in MB"),
        ("b", "seconds", "seconds, at a rate limit"),
    ]
    for axis, (scenario, value, title) in zip(axes, panels, strict=True):
        found = [each for each in results if each.scenario == scenario][::-1]
        heights = [getattr(each, value) for each in found]
        bars = axis.barh(
            [each.tool for each in found], heights, color=[COLOURS[each.tool] for each in found]
        )
        axis.bar_label(bars, labels=[f"{height:,.0f}" for height in heights], padding=3)
        axis.set_title(f"{title}; {found[0].records:,} records", fontsize=9)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.set_xticks([])
        axis.margins(x=0.15)
    # Where a request may be sent at the latest moment that the limit forces.
    (ours,) = [each for each in results if each.scenario == "b" and each.tool == OURS]
    axes[2].axvline(ours.floor, color="black", linestyle=":", linewidth=1)
    for axis in axes[1:]:
        axis.set_yticks([])
    (ROOT / PLOT).parent.mkdir(exist_ok=True)
    figure.savefig(ROOT / f"{PLOT}.png", dpi=160)
    figure.savefig(ROOT / f"{PLOT}.svg", metadata={"Date": None})


def write(results: list[Result]) -> None:
    """Put the table into its page, and the plot beside it."""
    page = ROOT / PAGE
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table, said = "\n".join(lines(results)), fill(ratios(results), 100)
    page.write_text(f"{before}{BEGIN}\n{table}\n\n{said}\n\n{END}{after}")
    plot(results)
