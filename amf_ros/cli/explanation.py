"""What a demonstration of each candidate would teach each target, as a table for a terminal.

    show(output, ["push_red", "open_door"], ["push_red"], [[0.31], [0.02]])

Imports rich late: ``amf --help`` need not wait for it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from amf_ros.cli.output import Output

MOST_ROWS, MOST_COLUMNS = 40, 30
_CODE, _CELL = 4, 5  # columns of the terminal for an abbreviated name, and for one number
_SHADES = ("#eef2fb", "#cdd8f6", "#a9bdf0", "#7594e4", "#3f6ad8", "#1d3a8a")  # as in the report
_DARK, _LIGHT = "#1c2333", "#ffffff"
_STRONG = 4  # from this shade on, text is light


def show(
    output: Output, candidates: Sequence[str], targets: Sequence[str], gains: Sequence[Sequence[float]]
) -> None:
    """Print the matrix: rows are candidates, best first; the largest number of all is marked.

    Of more tasks than fit, the first rows and the columns that those would teach most are shown, and said so.

    Args:
        output: where to.
        candidates: names of the rows.
        targets: names of the columns.
        gains: (candidates, targets) [nat].
    """
    rows = range(min(len(candidates), MOST_ROWS))
    longest = max(len(candidates[row]) for row in rows)
    fit = max(1, min(MOST_COLUMNS, (output.console.width - _CODE - longest - 2) // _CELL))
    columns = best_columns(gains[:MOST_ROWS], fit)
    names = abbreviations([candidates[row] for row in rows] + [targets[column] for column in columns])
    shown = [[gains[row][column] for column in columns] for row in rows]
    power = scale_power(max(map(max, shown)))
    unit = "nat" if power == 0 else f"{10.0**-power:g} nat"
    output.say(
        f"gain [{unit}] about a target (column) from one demonstration of a candidate (row); "
        "* the largest, · next to none"
    )
    heads = [names[targets[column]] for column in columns]
    labels = [f"{names[candidates[row]]:>{_CODE}} {candidates[row]}" for row in rows]
    output.console.print(_table(labels, heads, shown, power))
    _legend(
        output,
        [targets[column] for column in columns if targets[column] not in candidates[:MOST_ROWS]],
        names,
    )
    if len(rows) < len(candidates) or len(columns) < len(targets):
        output.say(
            f"shown: {len(rows)} of {len(candidates)} candidates, the best, and {len(columns)} of "
            f"{len(targets)} targets, those they teach most; --json and --picture have all"
        )


def abbreviations(names: Iterable[str]) -> dict[str, str]:
    """Return each name in at most four letters that no other has.

    Initials; with more letters of its last word, or a number, where others have the same.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        words = [word for word in name.split("_") if word] or [name]
        start = "".join(word[0] for word in words[:-1])[: _CODE - 1]
        tries = [(start + words[-1][:length])[:_CODE] for length in range(1, _CODE + 1)]
        numbers = (f"{name[:1]}{number}" for number in itertools.count(2))
        taken = set(found.values())
        found[name] = next(one for one in itertools.chain(tries, numbers) if one not in taken)
    return found


def best_columns(gains: Sequence[Sequence[float]], most: int) -> list[int]:
    """Return the columns with the largest entries, at most ``most``, in their order."""
    largest = [max(column) for column in zip(*gains, strict=True)]
    chosen = sorted(range(len(largest)), key=lambda column: -largest[column])[:most]
    return sorted(chosen)


def scale_power(largest: float) -> int:
    """By which power of ten to multiply, so that two decimals tell numbers up to ``largest`` apart."""
    return 0 if largest <= 0 or largest >= 0.1 else math.ceil(-math.log10(largest)) - 1


def number(value: float, power: int = 0) -> str:
    """At most four characters: ``.31``, ``2.4``, ``120``; a dot for what rounds to nothing."""
    scaled = value * 10**power
    if not math.isfinite(scaled):
        return "–"
    if scaled < 0.005:
        return "·"
    if scaled < 0.995:
        return f"{scaled:.2f}".removeprefix("0")
    return f"{scaled:.1f}" if scaled < 9.95 else f"{scaled:.0f}"


def _table(
    labels: Sequence[str], heads: Sequence[str], gains: Sequence[Sequence[float]], power: int
) -> Table:
    from rich.table import Table

    largest = max(map(max, gains))
    table = Table(box=None, padding=0, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True, min_width=_CELL)
    marked = False
    for label, row in zip(labels, gains, strict=True):
        cells = []
        for value in row:
            mark = value == largest and largest > 0 and not marked
            marked = marked or mark
            cells.append(_cell(value, largest, power, mark))
        table.add_row(f"{label} ", *cells)
    return table


def _cell(value: float, largest: float, power: int, mark: bool) -> Text:
    from rich.text import Text

    text = ("*" if mark else "") + number(value, power)
    share = value / largest if largest > 0 else 0.0
    shade = min(int(share * len(_SHADES)), len(_SHADES) - 1)
    ink = _LIGHT if shade >= _STRONG else _DARK
    return Text(f"{text:>{_CELL}}", style=f"{'bold ' if mark else ''}{ink} on {_SHADES[shade]}")


def _legend(output: Output, names: Sequence[str], short: dict[str, str]) -> None:
    if names:
        output.say("columns: " + ", ".join(f"{short[name]} {name}" for name in names))
