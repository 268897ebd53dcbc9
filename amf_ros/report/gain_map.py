"""What a demonstration of each candidate would teach each target, as a picture. Imports charts' colours.

draw(Path("next.png"), ["push_red", "open_door"], ["push_red"], np.array([[0.31], [0.02]]), "amf, seed 0")
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from amf_ros.core.errors import DataError
from amf_ros.core.values import Array
from amf_ros.report.charts import DARK, FRAME, HEAT, LIGHT
from amf_ros.store.files import storage_errors, write_whole

MOST_NUMBERS = 24  # rows or columns beyond which cells carry no numbers
MOST_NAMES = 60  # and beyond which not every name is written
_STYLE: Any = {
    "text.parse_math": False,  # a task may be named $x$
    "font.size": 10.0,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), DARK),
}


def draw(path: Path, candidates: Sequence[str], targets: Sequence[str], gains: Array, title: str) -> None:
    """Write a heat map: candidates as rows from the top, targets as columns, a frame around the largest.

    Args:
        path: of the picture; its ending says which kind (png, svg, pdf).
        candidates: names of the rows, best first.
        targets: names of the columns.
        gains: (candidates, targets) [nat].
        title: one line above it.

    Raises:
        DataError: the ending is of no kind of picture.
        StorageError: the picture cannot be written.
    """
    kinds = FigureCanvasAgg.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in kinds:
        raise DataError(f"{path}: end the picture's name in one of .{', .'.join(sorted(kinds))}")
    with mpl.rc_context(_STYLE):
        picture = io.BytesIO()
        figure = _figure(candidates, targets, gains, title)
        figure.savefig(picture, format=path.suffix.removeprefix("."), dpi=150, facecolor=LIGHT)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, picture.getvalue())


def _figure(candidates: Sequence[str], targets: Sequence[str], gains: Array, title: str) -> Figure:
    rows, columns = gains.shape
    names_in = 0.09 * max(map(len, (*candidates, *targets)))
    size = (min(names_in + 2.0 + 0.45 * columns, 20.0), min(names_in + 1.2 + 0.32 * rows, 20.0))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    unit = 10.0 ** np.floor(np.log10(gains.max())) if gains.max() > 0 else 1.0  # short numbers fit the cells
    gains = gains / unit
    largest = float(gains.max())
    image = axes.imshow(gains, cmap=HEAT, vmin=0.0, vmax=max(largest, 1e-12), aspect="auto")
    for set_ticks, names in ((axes.set_yticks, candidates), (axes.set_xticks, targets)):
        step = -(-len(names) // MOST_NAMES)
        set_ticks(range(0, len(names), step), names[::step])
    axes.tick_params(axis="x", rotation=90, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("one more demonstration of …")
    if max(rows, columns) <= MOST_NUMBERS:
        for row, column in np.ndindex(rows, columns):
            ink = LIGHT if gains[row, column] > 0.55 * largest else DARK
            text = f"{gains[row, column]:.1f}" if gains[row, column] >= 0.05 else ""
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
    row, column = np.unravel_index(int(gains.argmax()), gains.shape)
    corner = (float(column) - 0.5, float(row) - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=FRAME, linewidth=2.2))
    label = f"… teaches about the target [{unit:g} nat]"
    figure.colorbar(image, ax=axes, label=label, fraction=0.03, aspect=40)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure
