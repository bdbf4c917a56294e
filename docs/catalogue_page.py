"""The page of bad inputs and faults, told from the tables whose rows the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

TABLES: Final = Path(__file__).resolve().parent.parent / "tests" / "catalogue"
INTRODUCTION: Final = """\
What Consentry was thrown at, and what held. Tests run every row: `python -m tests.catalogue` in a
checkout runs them and prints what became of each (`--slow` with those that take long, or names
of rows). After each bad input the ledger and the policies stand as they stood, the sidecar is
alive, health is well and the next good question is answered; nothing that was said of a person
stands in an error, in the log or, in clear, in the decision log."""
HEADS: Final = {"inputs": "Bad inputs", "faults": "Faults"}


def catalogue_page(made: str) -> str:
    """Both catalogues as tables, and how many of their rows are automated."""
    lines = [made, "", "# Bad inputs and faults", "", INTRODUCTION, ""]
    for name, head in HEADS.items():
        groups = yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
        rows = [row for group in groups.values() for row in group]
        shown = sum(1 for row in rows if "by" in row)
        lines += [f"## {head}", "", f"{len(rows)} rows, {shown} of them automated.", ""]
        for group, entries in groups.items():
            lines += [f"### {group}", "", "| row | what | what holds | tests |"]
            lines += ["| --- | --- | --- | --- |", *_table(entries), ""]
    return "\n".join(lines)


def _table(entries: list[dict[str, Any]]) -> Iterator[str]:
    for row in entries:
        needs = f"; needs {row['needs']}" if "needs" in row else ""
        tests = f"{len(row['by'])}{needs}" if "by" in row else f"none: {row['absent']}"
        what, holds = (row[key].replace("|", "\\|") for key in ("what", "holds"))
        yield f"| {row['name']} | {what} | {holds} | {tests} |"
