"""``amf record``: record demonstrations of a task, by the scripted expert or by a person."""

from __future__ import annotations

import math
import select
import sys
import termios
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from amf_ros.cli.graph import OUTCOMES, connect, demonstrator, reset_scene, seconds
from amf_ros.cli.options import MOST, Json, Namespace, Seed, Timeout, panel
from amf_ros.cli.output import Output, on_interrupt
from amf_ros.core.errors import ConfigError

if TYPE_CHECKING:
    from amf_ros.ros.client.graph_client import GraphClient

_AGAIN_S = 2.0  # then the verdict is sent once more


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "One step at a time", "amf record open_drawer", "amf record open_drawer --by person --count 3"
        )
    )(record)


def record(
    task: Annotated[
        str, typer.Argument(help="Task to demonstrate; `amf next` says which.", show_default=False)
    ],
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=MOST, help="Demonstrations, from different starts.")
    ] = 1,
    by: Annotated[
        Literal["expert", "person"] | None,
        typer.Option(help="Who drives; none: as amf up was told (demonstrator:=person).", show_default=False),
    ] = None,
    seed: Seed = 0,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Record demonstrations of a task; each becomes one MCAP file in the session directory.

    Resets the scene, records until the demonstrator is done, and says how it went. Ctrl-C throws the
    running recording away; finished ones stay.
    """
    output = Output(as_json)
    made: list[dict[str, Any]] = []
    kept = f"of {count} demonstrations are kept, what was being recorded is not"
    with (
        on_interrupt(lambda: f"{len(made)} {kept}"),
        connect(namespace, wait) as graph,
        output.track(f"recording {task}", count) as track,
    ):
        who = _demonstrator(graph, by)
        for number in range(count):
            made.append(_one(output, graph, task, seed + number, who))
            track.to(number + 1, made[-1]["outcome"])

    def show() -> None:
        for one in made:
            output.say(
                f"{one['id']}: {one['outcome']} in {one['duration_s']:.1f} s, {one['num_steps']} steps"
            )
            output.say(f"  {one['uri']}", "dim")
            if one["remark"]:
                output.say(f"  kept, but {one['remark']}", "yellow")

    output.answer({"demonstrations": made}, show)


def _demonstrator(graph: GraphClient, by: str | None) -> str:
    """Who drives in this graph: what is recorded as the source must be true.

    Raises:
        ConfigError: ``by`` says otherwise than the graph was told.
    """
    known = demonstrator(graph)
    if by is not None and by != known:
        raise ConfigError(
            f"--by {by}: this graph runs with demonstrator:={known}; "
            f"leave --by out, or start it with amf up demonstrator:={by}"
        )
    return known


def _one(output: Output, graph: GraphClient, task: str, seed: int, by: str) -> dict[str, Any]:
    from amf_msgs.action import RecordDemonstration
    from amf_msgs.msg import Demonstration
    from amf_ros.ros import names

    person = by == "person"
    goal = RecordDemonstration.Goal(
        task_id=task,
        demonstration_id=names.fresh_id(task),
        seed=seed,
        source=Demonstration.SOURCE_TELEOPERATION if person else Demonstration.SOURCE_SCRIPTED_EXPERT,
        start_stamp=reset_scene(graph, task, seed),
    )
    waiter = _Verdict(output, graph) if person else None
    result = graph.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal, waiter or _ignore)
    demonstration = result.demonstration
    return {
        "id": demonstration.id,
        "task_id": demonstration.task_id,
        "uri": demonstration.uri,
        "outcome": OUTCOMES[demonstration.outcome],
        "num_steps": demonstration.num_steps,
        "duration_s": seconds(demonstration.duration),
        "seed": seed,
        "remark": result.error_msg,
    }


def _ignore(message: Any) -> None:
    """Return the scripted expert ends the recording itself."""


class _Verdict:
    """Feedback callback that lets the person at the keyboard end the recording."""

    def __init__(self, output: Output, graph: GraphClient) -> None:
        from amf_msgs.srv import FinishRecording
        from amf_ros.ros import names

        self._graph, self._name, self._request = graph, names.FINISH_RECORDING, FinishRecording.Request
        self._verdict, self._asked_s = 0, -math.inf
        graph.expect(FinishRecording, names.FINISH_RECORDING)
        if sys.stdin.isatty():  # what was typed before this recording is no verdict on it
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
        output.say("recording: Enter = it worked, f Enter = it failed, Ctrl-C = throw it away", "bold")

    def __call__(self, message: Any) -> None:
        """Look whether a line was typed; called with every feedback message."""
        if not self._verdict and select.select([sys.stdin], [], [], 0.0)[0]:
            line = sys.stdin.readline()  # empty without a keyboard: the recording ends by its time limit
            failed = line.strip().lower().startswith("f")
            self._verdict = OUTCOMES.index("failure" if failed else "success") if line else 0
        if self._verdict and time.monotonic() - self._asked_s > _AGAIN_S:  # the answer may get lost
            self._asked_s = time.monotonic()
            self._graph.send(self._name, self._request(outcome=self._verdict))
