"""The results of a sweep as files: ``<name>.json``, ``<name>.md``, raw rows and, if asked for, two pictures.

found = publish(out, "kinematic", panels, reference="uniform", rows=rows, num_jobs=len(jobs))
show_all(found)
"""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from amf_ros.store.files import storage_errors, write_whole
from amf_ros.sweep.plots import Panels, plot_curves, plot_differences
from amf_ros.sweep.result_files import plain
from amf_ros.sweep.rows import SUFFIX, read_rows, run_key, write_rows
from amf_ros.sweep.statistics import Comparison, compare
from amf_ros.sweep.tables import Cells, comparison_table, markdown, points_table, show, tasks_of, tasks_table

_COLUMNS_SHOWN = 10  # of a table on a terminal


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        document: the JSON document.
        compared: setting -> strategies beside the reference, best first.
        panels: setting -> strategy -> curves.
        tasks: setting -> strategy -> what its runs did in each task.
        reference: that they were compared with.
        x: what the abscissa counts.
    """

    document: dict[str, Any]
    compared: Mapping[str, Sequence[Comparison]]
    panels: Panels
    tasks: Mapping[str, Mapping[str, Mapping[str, Any]]]
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
    recorded: Panels | None = None,
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
        recorded: the curves whose raw rows are written, where those shown are means; None = all shown.

    Raises:
        UnknownName: a setting lacks the reference.
        StorageError: a file cannot be written.
    """
    header = {
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
    }
    write_rows(out / f"{name}{SUFFIX}", header, panels if recorded is None else recorded, rows)
    found = _published(header, panels, rows, extra or {})
    _write(out / f"{name}.json", json.dumps(found.document, indent=1, allow_nan=False) + "\n")
    _write(out / f"{name}.md", markdown_of(found))
    if plot:
        _plot(out, found, levels)
    return found


def recompute(path: Path, shown: Callable[[Panels], Panels] | None = None) -> Published:
    """Compute again what :func:`publish` wrote beside this file of rows, from the rows alone.

    Args:
        path: of the file.
        shown: makes the curves that were shown from those recorded; None = they are the same.

    Raises:
        DataError, StorageError: see :func:`amf_ros.sweep.rows.read_rows`.
    """
    header, panels, rows = read_rows(path)
    return _published(header, panels if shown is None else shown(panels), rows, {})


def _published(
    header: Mapping[str, Any], panels: Panels, rows: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]
) -> Published:
    compared = {title: compare(curves, header["reference"]) for title, curves in panels.items()}
    runs = {
        title: {line.name: _runs(rows, title, line.name) for line in own} for title, own in compared.items()
    }
    tasks = {title: {name: tasks_of(own) for name, own in found.items()} for title, found in runs.items()}
    document = {
        **header,
        "settings": {
            title: {
                line.name: {
                    **{key: value for key, value in asdict(line).items() if key != "name"},
                    "x": panels[title][line.name].x,
                    "mean": panels[title][line.name].y.mean(axis=0),
                    "tasks": tasks[title][line.name],
                    "missed": _total(runs[title][line.name], lambda result: len(result.get("missed", ()))),
                    "failed": _total(runs[title][line.name], lambda result: result.get("failed", 0)),
                }
                for line in lines
            }
            for title, lines in compared.items()
        },
        **extra,
    }
    told = json.loads(json.dumps(plain(document)))
    return Published(told, compared, panels, tasks, header["reference"], header["x"])


def _plot(out: Path, found: Published, levels: Mapping[str, float] | None) -> None:
    name, x, y = (found.document[key] for key in ("name", "x", "y"))
    plot_curves(out / f"{name}.png", found.panels, x, y, levels)
    gains = {t: {line.name: line.difference.estimate for line in own} for t, own in found.compared.items()}
    plot_differences(out / f"{name}_difference.png", gains, f"area under the curve − {found.reference}")


def show_all(found: Published, console: Console | None = None) -> None:
    """Print the tables of each setting; those of tasks where they fit a terminal."""
    for title in found.compared:
        for name, columns, cells in _tables(found, title):
            if len(columns) <= _COLUMNS_SHOWN:
                show(name, columns, cells, console)
        for line in _failures(found, title):
            (console or Console(highlight=False, width=150)).print(line, markup=False, soft_wrap=True)


def _tables(found: Published, title: str) -> list[tuple[str, list[str], Cells]]:
    """Comparison, the points between, and the tasks: title, columns, rows."""
    lines = found.compared[title]
    names = [line.name for line in lines]
    made = [(title, *comparison_table(lines, found.reference, x=found.x))]
    columns, cells = points_table({name: found.panels[title][name] for name in names})
    if cells:
        made.append((f"mean after {found.x}", columns, cells))
    tasks = {name: found.tasks[title][name] for name in names if found.tasks[title].get(name)}
    if tasks:
        made.append(("success before → at the end (demonstrations in a session)", *tasks_table(tasks)))
    return made


def _failures(found: Published, title: str) -> list[str]:
    """Return how many demonstrations failed, where some did."""
    own = found.document["settings"][title]
    told = [
        f"{name} {one['failed']} attempts failed, {one['missed']} demonstrations left out"
        for name, one in own.items()
        if one["failed"]
    ]
    return ["; ".join(told)] if told else []


def _runs(rows: Sequence[Mapping[str, Any]], title: str, strategy: str) -> list[Mapping[str, Any]]:
    """Rows of one strategy in one setting; none where rows are of no sessions."""
    return [row for row in rows if run_key(row["job"])[:2] == (title, strategy)]


def _total(rows: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], int]) -> int:
    return sum(of(row["result"]) for row in rows)


def markdown_of(found: Published) -> str:
    """Return the text of ``<name>.md``."""
    document = found.document
    before = f", {document['before']} of them from before" if document["before"] else ""
    made = " ".join(f"{part} {value}" for part, value in document["made_with"].items())
    head = (
        f"`{document['command']}`, {document['date']}; {document['done']} of {document['jobs']} runs{before}"
        + (f"; made with {made}.\n" if made else ".\n")
    )
    parts = []
    for title in found.compared:
        for level, (name, columns, cells) in enumerate(_tables(found, title)):
            parts.append(f"\n### {name}\n" if not level else f"\n{name}:\n\n")
            parts.append(markdown(columns, cells))
        parts += [f"\n{line}\n" for line in _failures(found, title)]
    return head + "".join(parts)


def _shared(made_with: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what all rows were made with."""
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
