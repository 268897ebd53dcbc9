"""The results of a sweep as files: ``<name>.json``, ``<name>.md`` and, where asked for, two pictures.

found = publish(out, "kinematic", panels, reference="uniform", rows=rows, num_jobs=len(jobs))
show_all(found)
"""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from amf_ros.data.files import storage_errors, write_whole
from amf_ros.sweep.kept import plain
from amf_ros.sweep.plots import Panels, plot_curves, plot_differences
from amf_ros.sweep.statistics import Comparison, compare
from amf_ros.sweep.tables import comparison_table, markdown, show


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        document: the JSON document.
        compared: setting -> strategies beside the reference, best first.
        reference: that they were compared with.
        x: what the abscissa counts.
    """

    document: dict[str, Any]
    compared: Mapping[str, Sequence[Comparison]]
    reference: str
    x: str


def publish(
    out: Path,
    name: str,
    panels: Panels,
    *,
    reference: str,
    rows: Sequence[Mapping[str, Any]],
    num_jobs: int,
    x: str = "demonstrations",
    y: str = "success",
    plot: bool = True,
    levels: Mapping[str, float] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Published:
    """Compare, write, return.

    Args:
        out: folder.
        name: of the files.
        panels: setting -> strategy -> curves.
        reference: strategy to compare with, in every setting.
        rows: jobs that are done.
        num_jobs: that were asked for.
        x: what the abscissa counts.
        y: what the ordinate is.
        plot: write ``<name>.png`` and ``<name>_difference.png``.
        levels: setting -> a height to mark in the plot.
        extra: to go into the document too.

    Raises:
        UnknownName: a setting lacks the reference.
        StorageError: a file cannot be written.
    """
    compared = {title: compare(curves, reference) for title, curves in panels.items()}
    document = {
        "name": name,
        "command": _command(sys.argv),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "jobs": num_jobs,
        "done": len(rows),
        "before": sum(bool(row.get("before")) for row in rows),
        "made_with": _shared([row.get("made_with", {}) for row in rows]),
        "job_seconds": round(sum(row["seconds"] for row in rows), 1),
        "reference": reference,
        "x": x,
        "y": y,
        "settings": {
            title: {
                line.name: {
                    **{key: value for key, value in asdict(line).items() if key != "name"},
                    "x": panels[title][line.name].x,
                    "mean": panels[title][line.name].y.mean(axis=0),
                }
                for line in lines
            }
            for title, lines in compared.items()
        },
        **(extra or {}),
    }
    found = Published(json.loads(json.dumps(plain(document))), compared, reference, x)
    _write(out / f"{name}.json", json.dumps(found.document, indent=1, allow_nan=False) + "\n")
    _write(out / f"{name}.md", _markdown(found))
    if plot:
        plot_curves(out / f"{name}.png", panels, x, y, levels)
        gains = {t: {line.name: line.difference.estimate for line in own} for t, own in compared.items()}
        plot_differences(out / f"{name}_difference.png", gains, f"area under the curve − {reference}")
    return found


def show_all(found: Published, console: Console | None = None) -> None:
    """Print a table for each setting."""
    for title, lines in found.compared.items():
        show(title, *comparison_table(lines, found.reference, x=found.x), console)


def _markdown(found: Published) -> str:
    document = found.document
    before = f", {document['before']} of them from before" if document["before"] else ""
    made = " ".join(f"{part} {value}" for part, value in document["made_with"].items())
    head = (
        f"`{document['command']}`, {document['date']}; {document['done']} of {document['jobs']} runs{before}"
        + (f"; made with {made}.\n" if made else ".\n")
    )
    parts = [
        f"\n### {title}\n{markdown(*comparison_table(lines, found.reference, x=found.x))}"
        for title, lines in found.compared.items()
    ]
    return head + "".join(parts)


def _shared(made_with: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all rows were made with."""
    first = made_with[0] if made_with else {}
    return {part: value for part, value in first.items() if all(m.get(part) == value for m in made_with)}


def _write(path: Path, text: str) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())


def _command(words: Sequence[str]) -> str:
    """As a user typed it: `python -m amf_ros.cli` is what `amf` stands for."""
    program = Path(words[0]).name
    return shlex.join(["amf" if program == "__main__.py" else program, *words[1:]])
