"""Pictures of benchmarks: mean curves with 95% bands, and paired differences with 95% intervals.

    plot_curves(out / "kinematic.png", {"mismatched": curves}, "demonstrations", "success")
    plot_differences(out / "gain.png", {"mismatched": {"amf": estimate}}, "area under the curve - uniform")

PNG files on white, in the look of :mod:`amf_ros.report.charts`.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from amf_ros.core.values import Array
from amf_ros.report.charts import ACCENT, BAD, BEFORE, DARK, FRAME, GOOD
from amf_ros.store.files import storage_errors, write_whole
from amf_ros.sweep.statistics import Curves, Estimate, band

LINE = "#d9dee8"
_COLOURS = {
    "amf": ACCENT,
    "amf_cost": "#0b2e8a",
    "amf_gp": "#7aa5ff",
    "amf_outcomes": "#7b4fc9",
    "amf_outcomes_cost": "#4a2380",
    "audit_then_count": GOOD,
    "largest_loss": "#a65a2a",
    "least_demonstrated": "#0f9fb5",
    "lowest_success": FRAME,
    "rebalancing": "#5c7f3a",
    "round_robin": BAD,
    "uncertainty": "#d36bb0",
    "uncertainty_gp": "#8f1f6b",
    "uniform": BEFORE,
}
_MOST_TICKS = 8
_STYLE: Any = {
    "text.parse_math": False,  # a task may be named $x$
    "font.size": 10.0,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.edgecolor": LINE,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "xtick.color": DARK,
    "ytick.color": DARK,
    "grid.color": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}

Panels = Mapping[str, Mapping[str, Curves]]


def plot_curves(
    path: Path, panels: Panels, x_label: str, y_label: str, levels: Mapping[str, float] | None = None
) -> Path:
    """Draw a panel per setting, a line per strategy; its band is the pointwise 95% interval over seeds.

    Args:
        path: of the PNG file; an older one is replaced whole.
        panels: title -> name -> curves.
        x_label: of all panels.
        y_label: of all panels.
        levels: panel -> a height that is marked, e.g. 95% of the expert's return.

    Raises:
        StorageError: the file cannot be written.
    """
    colours = colours_of([name for panel in panels.values() for name in panel])

    def draw(figure: Figure) -> None:
        for axes, (title, curves) in zip(_panels(figure, panels), panels.items(), strict=True):
            for name, own in curves.items():
                _curve(axes, name, own, colours[name])
            if levels and title in levels:
                axes.axhline(levels[title], color=DARK, linewidth=0.9, linestyle=":")
            axes.set(title=_wrapped(title), xlabel=x_label, ylabel=y_label)
            _ticks(axes, [own.x for own in curves.values()])
            axes.grid(axis="y", linewidth=0.8)
        _legend(figure, list(colours), width_in)

    rows, columns = _grid(panels)
    width_in = 1.2 + 4.3 * columns
    lines = -(-len(colours) // _legend_columns(list(colours), width_in))
    return _write(path, draw, width_in, height_in=0.7 + 3.4 * rows + 0.2 * lines)


def plot_differences(path: Path, panels: Mapping[str, Mapping[str, Estimate]], label: str) -> Path:
    """Draw a panel per setting, a bar per name: the paired difference with its 95% interval.

    Args:
        path: of the PNG file; an older one is replaced whole.
        panels: title -> name -> estimate.
        label: what is different from what.

    Raises:
        StorageError: the file cannot be written.
    """
    colours = colours_of([name for panel in panels.values() for name in panel])
    most = max(len(panel) for panel in panels.values())

    def draw(figure: Figure) -> None:
        for axes, (title, bars) in zip(_panels(figure, panels), panels.items(), strict=True):
            for row, (name, estimate) in enumerate(bars.items()):
                axes.barh(row, estimate.value, height=0.62, color=colours[name], alpha=0.85)
                if np.isfinite([estimate.low, estimate.high]).all():
                    axes.plot([estimate.low, estimate.high], [row, row], color=DARK, linewidth=1.6)
            axes.axvline(0, color=DARK, linewidth=0.9)
            axes.set_yticks(range(len(bars)), list(bars))
            axes.set_ylim(len(bars) - 0.4, -0.6)
            axes.set(title=_wrapped(title), xlabel=label)
            axes.grid(axis="x", linewidth=0.8)
            axes.tick_params(axis="y", length=0)

    rows, columns = _grid(panels)
    return _write(path, draw, width_in=1.2 + 4.3 * columns, height_in=(1.2 + 0.28 * most) * rows)


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """Give each name a colour, the same in every picture: ours have their own, others one that follows from
    the name, and are drawn dashed.
    """
    return {name: _COLOURS.get(name) or _colour_of(name) for name in dict.fromkeys(names)}


def _colour_of(name: str) -> str:
    drawn = hashlib.sha256(name.encode()).digest()
    hue, value = (0.75 + 0.8 * drawn[0] / 256) % 1, 0.55 + 0.3 * drawn[1] / 256  # none of amf's blues
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue, 0.75, value))


def _curve(axes: Axes, name: str, curves: Curves, colour: str) -> None:
    middle, low, high = band(curves)
    if np.isfinite(low).all():
        axes.fill_between(curves.x, low, high, color=colour, alpha=0.12, linewidth=0)
    leading = name.startswith("amf")
    few = len(curves.x) <= 2 * _MOST_TICKS
    axes.plot(
        curves.x,
        middle,
        color=colour,
        linewidth=2.4 if leading else 1.6,
        linestyle="-" if name in _COLOURS else "--",
        marker="o" if few else "",
        markersize=4,
        label=name,
        zorder=2 + leading,
    )


def _ticks(axes: Axes, places: Sequence[Array]) -> None:
    """At the evaluations; where they are many, at some of them, the last one among them."""
    every = np.unique(np.concatenate(list(places)))
    if not np.array_equal(every, np.round(every)):  # minutes, read on a grid
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        return
    gaps = len(every) - 1
    least = max(1, -(-gaps // (_MOST_TICKS - 1)))
    # A step that divides the gaps shows the first place too.
    step = next((n for n in range(least, 2 * least) if gaps % n == 0), least)
    shown = every[::-1][::step][::-1]
    axes.set_xticks(shown, [f"{place:g}" for place in shown])


def _legend(figure: Figure, names: Sequence[str], width_in: float) -> None:
    """Return one below all panels, as wide as the picture allows."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        lines, labels = axes.get_legend_handles_labels()
        found.update(zip(labels, lines))
    figure.legend(
        [found[name] for name in names],
        list(names),
        loc="outside lower center",
        ncols=_legend_columns(names, width_in),
        frameon=False,
        fontsize=9,
    )


def _legend_columns(names: Sequence[str], width_in: float) -> int:
    """Return how many names fit beside each other: a character of 9 pt is about 0.075 in wide, a line 0.6."""
    widest = 0.6 + 0.075 * max(len(name) for name in names)
    return max(1, min(len(names), int(width_in / widest)))


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.wrap(title, 40)) or title


def _grid(panels: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns: up to three beside each other, four as two by two."""
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    return -(-len(panels) // columns), columns


def _panels(figure: Figure, panels: Mapping[str, Any]) -> list[Axes]:
    rows, columns = _grid(panels)
    every = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in every[len(panels) :]:
        unused.remove()
    return every[: len(panels)]


def _write(path: Path, draw: Callable[[Figure], None], width_in: float, height_in: float) -> Path:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained", dpi=130)
        canvas = FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.BytesIO()
        canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())
    return path
