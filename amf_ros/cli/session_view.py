"""A session as it goes on, in lines that read well in a terminal and in a log.

view = SessionView(output)
run_local(plan, pretrained, out, report=view)
view.close()
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from amf_ros.cli.output import Output

if TYPE_CHECKING:
    from rich.status import Status

    from amf_ros.session.base import State

_INDENT = 30  # of what follows time, round and verb
_ALIVE_EVERY_S = 15.0  # without a terminal: a line now and then while something takes long
_VERBS = {
    "selecting": "choose",
    "demonstrating": "record",
    "fine_tuning": "fine-tune",
    "evaluating": "evaluate",
}
_ENDED = ("success after", "failure after", "unlabeled after")


class SessionView:
    """Prints one line for each thing that was finished; on a terminal also what is going on."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last: State | None = None
        self._why = ""  # of the demonstration that is being recorded
        self._printed_s = time.monotonic()
        self._status: Status | None = None
        if output.console.is_terminal:
            self._status = output.console.status("starting")
            self._status.start()

    def __call__(self, state: State) -> None:
        """Return the session's report callback."""
        last, self._last = self._last, state
        if last is not None and (last.phase, last.round) != (state.phase, state.round):
            self._finished(last)
        if state.detail.startswith(_ENDED):
            self._line(state, f"{state.task_id:20}  {state.detail:24}  {self._why}")
            return
        if state.phase.name == "DEMONSTRATING":
            self._why = state.detail.partition(";")[0]
        if self._status is not None:
            self._status.update(self._text(state, f"{state.task_id} {state.detail}".strip()))
        elif time.monotonic() - self._printed_s > _ALIVE_EVERY_S:
            self._line(state, f"... {state.task_id} {state.detail}")

    def close(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()

    def _finished(self, state: State) -> None:
        """Return the last word of a phase: why, the loss, or the success."""
        if state.phase.name == "FINE_TUNING":
            self._line(state, ", ".join(state.detail.split(", ")[:2]))  # the time left is none
        elif state.phase.name in ("SELECTING", "EVALUATING"):
            self._line(state, state.detail)

    def _line(self, state: State, detail: str) -> None:
        self._printed_s = time.monotonic()
        self._output.step(self._text(state, detail), indent=_INDENT)

    def _text(self, state: State, detail: str) -> str:
        where = f"round {state.round}/{state.num_rounds}" if state.round else "start"
        return f"{where:11} {_VERBS.get(state.phase.name.lower(), ''):10} {detail}"


def from_message(message: Any) -> State:
    """``amf_msgs/SessionState`` -> the same as a value."""
    from amf_ros.ros.conversions import to_checkpoint
    from amf_ros.session.base import Phase, State

    return State(
        phase=Phase(message.phase),
        round=message.round,
        num_rounds=message.num_rounds,
        task_id=message.task_id,
        detail=message.detail,
        checkpoint=to_checkpoint(message.checkpoint) if message.checkpoint.id else None,
    )
