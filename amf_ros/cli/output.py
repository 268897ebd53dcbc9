"""What a command shows: an answer on stdout, for people or as JSON, and progress while it works.

With ``--json`` stdout holds one JSON document and nothing else; progress goes to stderr.

    output = Output(as_json=False)
    with output.track("training", total=2500) as track:
        track.to(100, "loss 0.012")
    output.answer({"checkpoint": "pretrained"}, lambda: output.say("saved"))
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_LINE_EVERY_S = 5.0  # where there is no terminal to draw a bar on


class Output:
    """One command's voice."""

    def __init__(self, as_json: bool = False) -> None:
        from rich.console import Console  # late: `amf --help` need not wait for it

        self.as_json = as_json
        self.console: Console = Console(stderr=as_json, highlight=False, width=_width(as_json))
        self._started = time.monotonic()

    def say(self, text: str, style: str = "") -> None:
        """Print one line for people."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def step(self, text: str, style: str = "", indent: int = 7) -> None:
        """Print one line for people, with the time since the command began.

        On a terminal it is wrapped between words, further lines ``indent`` columns in; a log keeps one line.
        """
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        line = f"{minutes:2d}:{seconds:02d}  {text}"
        if self.console.is_terminal and self.console.width > 2 * indent:
            line = textwrap.fill(line, self.console.width, subsequent_indent=" " * indent)
        self.say(line, style)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show a sign of life on a terminal while something takes a while."""
        if self.console.is_terminal:
            with self.console.status(what):
                yield
        else:
            yield

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        total: Sequence[object] = (),
    ) -> None:
        """Print a table; a column whose name starts with ``>`` is aligned to the right."""
        from rich import box
        from rich.table import Table

        table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in columns:
            right = column.startswith(">")
            table.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        if total:
            table.add_section()
            table.add_row(*(_cell(value) for value in total), style="bold")
        self.console.print(table)

    def answer(self, value: Mapping[str, Any], show: Callable[[], None]) -> None:
        """Print the answer: ``value`` as JSON where that was asked for, else what ``show`` prints."""
        if self.as_json:
            sys.stdout.write(json.dumps(_plain(value), indent=2, allow_nan=False) + "\n")
            sys.stdout.flush()
        else:
            show()

    def track(self, title: str, total: float) -> Track:
        """Progress of one piece of work, as a context manager."""
        return Track(self, title, total)


class Track:
    """A bar on a terminal; elsewhere a line at the start, now and then, and at the end."""

    def __init__(self, output: Output, title: str, total: float) -> None:
        self._output, self._title, self._total = output, title, total
        self._bar: Progress | None = None
        self._row: TaskID | None = None
        self._done, self._detail, self._shown = 0.0, "", -math.inf
        self._stack = ExitStack()

    def __enter__(self) -> Track:
        if self._output.console.is_terminal:
            self._bar = self._stack.enter_context(_progress(self._output.console))
            self._row = self._bar.add_task(self._title, total=self._total, detail="")
        return self

    def to(self, done: float, detail: str = "") -> None:
        """``done`` of the total, and what is going on."""
        self._done, self._detail = done, detail
        if self._bar is not None and self._row is not None:
            self._bar.update(self._row, completed=done, detail=detail)
        elif time.monotonic() - self._shown >= _LINE_EVERY_S and done < self._total:
            self._line()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._bar is None and kind is None:
            self._line()

    def _line(self) -> None:
        self._shown = time.monotonic()
        share = f"{self._done / self._total:4.0%}" if self._total else ""
        self._output.step(f"{self._title} {share}  {self._detail}".rstrip())


def fraction(successes: int, episodes: int) -> str:
    """``9/12``, or a dash where nothing was tried."""
    return f"{successes}/{episodes}" if episodes else "–"


def percent(successes: int, episodes: int) -> str:
    """``75%``, or a dash."""
    return f"{successes / episodes:.0%}" if episodes else "–"


def interval(successes: int, episodes: int) -> str:
    """Return the 95% Wilson interval in words, or a dash."""
    from amf_ros.core.stats import wilson

    low, high = wilson(successes, episodes)
    return f"{low:.0%} to {high:.0%}" if episodes else "–"


def short(path: Path) -> str:
    """Relative to where the user stands, if it is below."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def on_interrupt(what: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C say what was kept; what the interrupted work itself has to say comes first.

    Raises:
        KeyboardInterrupt: with that text, for the command line to show.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("; ".join(filter(None, [str(stop), what()]))) from stop


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C not cut short the stopping of processes."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[detail]}"),
        console=console,
        transient=False,
    )


def _width(stderr: bool) -> int | None:
    """Return where no terminal says how wide it is, wide enough for a table; None leaves it to rich."""
    stream = sys.stderr if stderr else sys.stdout
    return None if stream.isatty() or "COLUMNS" in os.environ else 120


def _cell(value: object) -> str:
    from rich.markup import escape

    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    return escape(str(value))


def _plain(value: object) -> object:
    """Return what JSON can hold: NaN becomes null, tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
