"""Tables of benchmarks: for a terminal, and as markdown for docs/benchmarks.md.

columns, cells = comparison_table(compare(curves, "uniform"), "uniform")
show("mismatched", columns, cells)
text = markdown(columns, cells)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amf_ros.sweep.statistics import Comparison, Curves

Cells = list[list[str]]


def comparison_table(
    lines: Sequence[Comparison], reference: str, spec: str = ".2f", x: str = "demonstrations"
) -> tuple[list[str], Cells]:
    """Return what :func:`amf_ros.sweep.statistics.compare` found: columns, and a row per strategy.

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


def points_table(curves: Mapping[str, Curves], spec: str = ".2f") -> tuple[list[str], Cells]:
    """Return the mean at every evaluation, a row per strategy; nothing where their evaluations differ.

    Args:
        curves: strategy -> curves.
        spec: format of the values.
    """
    first = next(iter(curves.values()))
    if not all(np.array_equal(own.x, first.x) for own in curves.values()):
        return ["strategy"], []
    columns = ["strategy", *(f"{place:.4g}" for place in first.x)]
    means = {name: own.y.mean(axis=0) for name, own in curves.items()}
    return columns, [[name, *(format(float(v), spec) for v in values)] for name, values in means.items()]


def tasks_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what one strategy's runs did in each task: means over the runs.

    Args:
        rows: with results of :func:`amf_ros.sweep.sessions.session`.

    Returns:
        Task id -> ``success`` (one value per evaluation) and ``demonstrated`` (times in a session).
    """
    results = [row["result"] for row in rows if "tasks" in row["result"]]
    if not results:
        return {}
    known = dict.fromkeys([*results[0]["tasks"], *(t for result in results for t in result["chosen"])])
    found = {}
    for task_id in known:
        rates = [result["tasks"][task_id] for result in results if task_id in result["tasks"]]
        shown = float(np.mean([result["chosen"].count(task_id) for result in results]))
        even = len({len(rate) for rate in rates}) == 1
        success = np.mean(rates, axis=0).tolist() if even else []
        found[task_id] = {"success": success, "demonstrated": shown}
    return found


def tasks_table(tasks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[list[str], Cells]:
    """Return each task's success before and at the end, and how often it was demonstrated in a session.

    Args:
        tasks: strategy -> what :func:`tasks_of` found.
    """
    every = dict.fromkeys(task_id for own in tasks.values() for task_id in own)
    cells = [[task_id, *(_task_cell(own.get(task_id)) for own in tasks.values())] for task_id in every]
    return ["task", *tasks], cells


def _task_cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    rates = one["success"]
    change = f"{rates[0]:.2f} → {rates[-1]:.2f}" if rates else "–"
    return f"{change} ({one['demonstrated']:.3g})"


def show(title: str, columns: Sequence[str], cells: Cells, console: Console | None = None) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if number else "left")
    for row in cells:
        table.add_row(*(escape(cell) for cell in row))
    (console or Console(highlight=False, width=None if sys.stdout.isatty() else 150)).print(table)


def markdown(columns: Sequence[str], cells: Cells) -> str:
    """Return the same as a markdown table."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *cells]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        + "\n"
    )
