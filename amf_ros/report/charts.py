"""The values of a report as SVG that takes its text colours from the page. Imports stats and facts.

Every function returns one ``<svg>`` element as text; ids carry the chart's name, so several fit in a page.

    svg = success_curve(facts)
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from amf_ros.core.stats import wilson
from amf_ros.core.values import Array
from amf_ros.report.facts import Evaluation, Facts

ACCENT, BEFORE, GOOD, BAD, FRAME = "#3f6ad8", "#98a2b3", "#1f9d6b", "#d1495b", "#f0a202"
DARK, LIGHT = "#1c2333", "#ffffff"  # text on a heat-map cell
# Widths [in] of a half and of a whole row of the page, where 10 pt become about 13 px.
HALF, WHOLE = 5.3, 10.9
# Stand-ins that are replaced by the page's own colours, so that one file serves light and dark.
INK, FAINT, PAPER = "#010203", "#040506", "#070809"
_PAGE = {INK: "currentColor", FAINT: "var(--line)", PAPER: "var(--paper)"}
HEAT = LinearSegmentedColormap.from_list("amf", ["#eef2fb", "#a9bdf0", "#3f6ad8", "#1d3a8a"])
_RATE = LinearSegmentedColormap.from_list("rate", ["#f6dfe2", "#f7efd9", "#cfe9dc", "#1f9d6b"])
_STYLE: Any = {
    "text.parse_math": False,  # a task may be named $x$
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def _chart(name: str) -> Callable[[Callable[[Facts], Figure]], Callable[[Facts], str]]:
    """Draw with the house style and return the SVG text."""

    def wrap(draw: Callable[[Facts], Figure]) -> Callable[[Facts], str]:
        @functools.wraps(draw)
        def chart(facts: Facts) -> str:
            with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
                return _svg(draw(facts), name)

        return chart

    return wrap


@_chart("curve")
def success_curve(facts: Facts) -> Figure:
    """Success over all tasks against demonstrations, with 95% Wilson intervals."""
    points = facts.evaluations
    x = [point.num_demonstrations for point in points]
    y = [point.successes / max(point.episodes, 1) for point in points]
    low, high = zip(*(wilson(point.successes, point.episodes) for point in points), strict=True)
    figure, axes = _figure(HALF, 0.8 + 0.27 * max(len(facts.tasks), 10))
    axes.fill_between(x, low, high, color=ACCENT, alpha=0.16, linewidth=0)
    axes.plot(x, y, color=ACCENT, linewidth=2.4, marker="o", markersize=6, markeredgecolor=PAPER)
    for i, offset in {0: (0, 10), len(x) - 1: (22, -4)}.items():
        text = axes.annotate(
            f"{y[i]:.0%}", (x[i], y[i]), xytext=offset, textcoords="offset points", ha="center"
        )
        text.set(fontsize=13, fontweight="bold", color=ACCENT)
    axes.set_xlabel("demonstrations recorded in this session")
    axes.set_ylabel("success over all tasks")
    axes.set_ylim(0, 1.02)
    axes.set_xticks(x)
    _percent(axes, "y")
    axes.grid(axis="y", linewidth=0.8)
    return figure


@_chart("tasks")
def before_after(facts: Facts) -> Figure:
    """Success of each task before and after; beside it, how often it was demonstrated."""
    first, last = facts.evaluations[0], facts.evaluations[-1]
    rows = [task.id for task in facts.tasks if task.id in first.tasks or task.id in last.tasks]
    taught = {name: sum(list(one.chosen).count(name) for one in facts.rounds) for name in rows}
    figure, axes = _figure(HALF, 0.8 + 0.27 * len(rows))
    for y, name in enumerate(rows):
        before, after = first.rate(name), last.rate(name)
        colour = GOOD if after > before else BAD if after < before else BEFORE
        axes.plot([before, after], [y, y], color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
        axes.plot(before, y, "o", color=BEFORE, markersize=8, markeredgecolor=PAPER)
        axes.plot(after, y, "o", color=colour, markersize=8, markeredgecolor=PAPER)
    _task_rows(axes, facts, rows)
    axes.set_xlim(-0.03, 1.03)
    _percent(axes, "x")
    axes.grid(axis="x", linewidth=0.8)
    counts = axes.twinx()
    notes = [f"{_fraction(first, name)} to {_fraction(last, name)}" for name in rows]
    more = [f"   +{taught[name]}" if taught[name] else "" for name in rows]
    counts.set_yticks(range(len(rows)), [note + plus for note, plus in zip(notes, more, strict=True)])
    counts.set_ylim(axes.get_ylim())
    counts.tick_params(axis="y", length=0)
    counts.spines["left"].set_visible(False)
    return figure


@_chart("choices")
def choices(facts: Facts) -> Figure:
    """Draw which task was demonstrated when: a dot for each, rounds as bands."""
    rows = [task.id for task in facts.tasks]
    figure, axes = _figure(HALF, 0.8 + 0.27 * len(rows))
    start = 0.5
    for i, one in enumerate(facts.rounds):
        end = start + len(one.chosen)
        if i % 2:
            axes.axvspan(start, end, color=FAINT, alpha=0.45, linewidth=0)
        middle = (start + end) / 2
        axes.text(middle, -0.95, f"round {one.number}", ha="center", va="center", fontsize=9, alpha=0.7)
        order = [start + 0.5 + j for j in range(len(one.chosen))]
        where = [rows.index(name) for name in one.chosen]
        axes.plot(order, where, "o", color=ACCENT, markersize=11, markeredgecolor=PAPER)
        start = end
    axes.set_xlim(0.5, max(start, 1.5))
    axes.set_xticks(range(1, math.ceil(start)))
    axes.set_xlabel("demonstration")
    _task_rows(axes, facts, rows)
    axes.grid(axis="y", linewidth=0.8)
    return figure


@_chart("scores")
def score_map(facts: Facts) -> Figure:
    """Draw what the strategy thought of each task in each round; a frame marks what it chose."""
    rows = [task.id for task in facts.tasks]
    values = np.array([[one.scores.get(name, np.nan) for one in facts.rounds] for name in rows], dtype=float)
    columns = [f"round {one.number}" for one in facts.rounds]
    figure, axes = _heat(WHOLE, facts, rows, values, columns, HEAT)
    for row, column in np.ndindex(len(rows), len(columns)):
        value, times = values[row, column], list(facts.rounds[column].chosen).count(rows[row])
        text = f"{value:.3g}" if np.isfinite(value) else "–"
        if times:
            text += "  chosen" if times == 1 else f"  chosen {times}×"
            frame = Rectangle(
                (column - 0.48, row - 0.42), 0.96, 0.84, fill=False, edgecolor=FRAME, linewidth=2.2
            )
            axes.add_patch(frame)
        ink = LIGHT if value > 0.55 * float(np.nanmax(values)) else DARK
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    return figure


@_chart("learning")
def learning_map(facts: Facts) -> Figure:
    """Success of each task by each evaluated checkpoint: what was learned, what was forgotten."""
    rows = [task.id for task in facts.tasks if any(task.id in point.tasks for point in facts.evaluations)]
    values = np.array([[point.rate(name) for point in facts.evaluations] for name in rows], dtype=float)
    columns = [f"+{point.num_demonstrations}" if i else "start" for i, point in enumerate(facts.evaluations)]
    figure, axes = _heat(HALF, facts, rows, values, columns, _RATE, high=1.0)
    for row, column in np.ndindex(len(rows), len(columns)):
        text = _fraction(facts.evaluations[column], rows[row])
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=DARK)
    return figure


def _heat(
    width_in: float,
    facts: Facts,
    rows: Sequence[str],
    values: Array,
    columns: Sequence[str],
    colours: LinearSegmentedColormap,
    high: float | None = None,
) -> tuple[Figure, Axes]:
    """Return a heat-map of ``values`` (rows, columns) from 0 to ``high`` (None: the largest)."""
    figure, axes = _figure(width_in, 0.8 + 0.27 * len(rows))
    if high is None:
        high = float(np.nanmax(values))
    edges = (np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5)
    axes.pcolormesh(
        *edges, values, cmap=colours, vmin=0.0, vmax=max(high, 1e-12), edgecolor=PAPER, linewidth=2
    )
    axes.set_xlim(-0.5, len(columns) - 0.5)
    _task_rows(axes, facts, rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _task_rows(axes: Axes, facts: Facts, rows: Sequence[str]) -> None:
    """Tasks as rows from the top; those that pre-training never saw are marked."""
    unseen = {task.id for task in facts.tasks if task.pretraining == 0}
    axes.set_yticks(range(len(rows)), [f"{name} ○" if name in unseen else name for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _fraction(evaluation: Evaluation, task_id: str) -> str:
    done, tried = evaluation.tasks.get(task_id, (0, 0))
    return f"{done}/{tried}" if tried else "–"


def _percent(axes: Axes, which: str) -> None:
    getattr(axes, f"set_{which}ticks")([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])


def _figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, own in _PAGE.items():
        text = text.replace(stand_in, own)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    opening, rest = text.split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", opening) + ">" + rest  # the page decides the size
