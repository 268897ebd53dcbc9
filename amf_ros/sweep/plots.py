"""Pictures of benchmarks: mean curves with 95% bands, and paired differences with 95% intervals.

    plot_curves(out / "kinematic.png", {"mismatched": curves}, "demonstrations", "success")
    plot_differences(out / "gain.png", {"mismatched": {"amf": estimate}}, "area under the curve - uniform")

PNG files on white, in the look of :mod:`amf_ros.report.charts`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from amf_ros.data.files import storage_errors, write_whole
from amf_ros.report.charts import ACCENT, BAD, BEFORE, DARK, FRAME, GOOD
from amf_ros.sweep.statistics import Curves, Estimate, band

LINE = "#d9dee8"
_KNOWN = {"amf": ACCENT, "uniform": BEFORE}
_OTHERS = (GOOD, BAD, FRAME, "#7b4fc9", "#0f9fb5", "#a65a2a", "#d36bb0", "#5c7f3a", "#2b3f73", "#8d8d3b")
_STYLE: Any = {
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
    """One panel per setting, one line per strategy, its band the pointwise 95% interval over seeds.

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
            axes.set(title=title, xlabel=x_label, ylabel=y_label)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            axes.grid(axis="y", linewidth=0.8)
        _legends(figure, [dict.fromkeys(panel) for panel in panels.values()])

    rows, columns = _grid(panels)
    return _write(path, draw, width_in=1.2 + 4.3 * columns, height_in=0.9 + 3.4 * rows)


def plot_differences(path: Path, panels: Mapping[str, Mapping[str, Estimate]], label: str) -> Path:
    """One panel per setting, one bar per name: the paired difference with its 95% interval.

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
            axes.set(title=title, xlabel=label)
            axes.grid(axis="x", linewidth=0.8)
            axes.tick_params(axis="y", length=0)

    rows, columns = _grid(panels)
    return _write(path, draw, width_in=1.2 + 4.3 * columns, height_in=(1.2 + 0.28 * most) * rows)


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, the same in whatever order they come; after ten others colours come again."""
    others = sorted(set(names) - set(_KNOWN))
    found = {**_KNOWN, **{name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}}
    return {name: found[name] for name in dict.fromkeys(names)}


def _curve(axes: Axes, name: str, curves: Curves, colour: str) -> None:
    middle, low, high = band(curves)
    if np.isfinite(low).all():
        axes.fill_between(curves.x, low, high, color=colour, alpha=0.12, linewidth=0)
    leading = name.startswith("amf")
    axes.plot(
        curves.x, middle, color=colour, linewidth=2.4 if leading else 1.6, label=name, zorder=2 + leading
    )


def _legends(figure: Figure, names: Sequence[Mapping[str, Any]]) -> None:
    """One below all panels where they show the same strategies, else one in each."""
    if all(set(panel) == set(names[0]) for panel in names):
        lines, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=5, frameon=False)
        return
    for axes in figure.axes:
        axes.legend(fontsize=8, frameon=False)


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
