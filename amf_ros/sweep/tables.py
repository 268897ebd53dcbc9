"""Tables of benchmarks: for a terminal, and as markdown for docs/benchmarks.md.

columns, cells = comparison_table(compare(curves, "uniform"), "uniform")
show("mismatched", columns, cells)
text = markdown(columns, cells)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amf_ros.sweep.statistics import Comparison

Cells = list[list[str]]


def comparison_table(
    lines: Sequence[Comparison], reference: str, spec: str = ".2f", x: str = "demonstrations"
) -> tuple[list[str], Cells]:
    """What :func:`amf_ros.sweep.statistics.compare` found: columns, and a row per strategy.

    Args:
        lines: one per strategy.
        reference: that they were compared with.
        spec: format of the values.
        x: what the abscissa counts.
    """
    columns = [
        "strategy",
        "seeds",
        "start",
        "final",
        "area",
        f"area − {reference}",
        "better",
        "p",
        f"{x} to {reference}'s final",
    ]
    cells = []
    for line in lines:
        gained = line.difference
        own = line.name == reference
        cells.append(
            [
                line.name,
                f"{line.seeds} ({line.left_out} left out)" if line.left_out else str(line.seeds),
                format(line.start.value, spec),
                format(line.final, spec),
                format(line.area, spec),
                "–" if own else format(gained.estimate, "+" + spec),
                "–" if own else f"{gained.better}/{gained.seeds}",
                "–" if own else format(gained.p, ".3f"),
                format(line.to_match.value if own else line.to_match, ".1f"),
            ]
        )
    return columns, cells


def show(title: str, columns: Sequence[str], cells: Cells, console: Console | None = None) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if number else "left")
    for row in cells:
        table.add_row(*(escape(cell) for cell in row))
    (console or Console(highlight=False, width=None if sys.stdout.isatty() else 150)).print(table)


def markdown(columns: Sequence[str], cells: Cells) -> str:
    """The same as a markdown table."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *cells]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        + "\n"
    )
