"""The page `docs/mart-columns.md`, made from the marts' headers.

To write it, run `python -m recruit_assets_tests.reference`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from recruit_assets.marts.level_views import level_views
from recruit_assets.marts.mart import MARTS, Mart

PATH = Path(__file__).parents[1] / "docs" / "mart-columns.md"
INTRODUCTION = """\
# Marts, column by column

Generated from the headers of the SQL files: what a row of each mart is, how it is defined, what it
cannot tell, and what each column means. [Marts and report](marts.md) explains the terms.

The diagram has the columns that are ids in a table of `recruit` ([Tables](tables.md) shows how
those belong together). `|o--o|` is the id of the row itself, and `}o--o|` that of another record.
"""
_REFERS = re.compile(r"Id in recruit\.(\w+)")
_DOTTED = re.compile(r"\b(recruit(?:_\w+)?\.\w+(?:\.\w+)?)")


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION, _diagram(), *map(_section, sorted(MARTS, key=lambda each: each.name))]
    return "\n".join(parts)


def _diagram() -> str:
    marts = sorted(MARTS, key=lambda each: each.name)
    lines = [line for mart in marts for line in _arrows(mart)]
    return "\n".join(["```mermaid", "erDiagram", "    direction LR", *lines, "```", ""])


def _arrows(mart: Mart) -> Iterator[str]:
    """Yield an arrow for each key, from the mart to the table of what it identifies."""
    for name, meaning in mart.columns.items():
        if found := _REFERS.match(meaning):
            own = mart.grain == (name,)
            yield f"    {mart.name} {'|o' if own else '}o'}--o| {found[1]} : {name}"


def _section(mart: Mart) -> str:
    definition, _, caveats = mart.description.partition("Caveats: ")
    first, _, rest = definition.partition("\n\n")
    lines = [f"## {mart.name}", "", _text(first), ""]
    if rest.strip():
        lines += [_text(rest), ""]
    if caveats:
        lines += [f"**Caveats**: {_text(caveats[:1].upper() + caveats[1:])}", ""]
    lines += [f"**One row for each** {_names(mart.grain)}.", ""]
    if mart.levels:
        lines += [f"**Views**, one per level: {_names(level_views(mart))}.", ""]
    lines += ["| column | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {_text(meaning)} |" for name, meaning in mart.columns.items()]
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    """Return a text of a header as Markdown, on one line."""
    return _DOTTED.sub(r"`\1`", " ".join(text.split())).replace("``", "`").replace("|", "\\|")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PATH.write_text(page())
