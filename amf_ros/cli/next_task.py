"""``amf next``: which task to demonstrate next, and why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from amf_ros.cli.graph import connect
from amf_ros.cli.options import MOST, Json, Namespace, Seed, Timeout, panel
from amf_ros.cli.output import Output, fraction, short
from amf_ros.core.errors import DataError

_COLUMNS = (
    "task_id",
    "score",
    "information_gain",
    "posterior_std",
    "num_demonstrations",
    "num_episodes",
    "num_successes",
    "demonstration_s",
    "reason",
)


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        "next",
        **panel(
            "One step at a time",
            "amf next",
            "amf next --count 3 --candidate open_door --candidate push_green",
            "amf next --explain --picture next.png",
        ),
    )(next_task)


def next_task(
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", "-c", help="May be demonstrated; repeat it. None: all.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="To become good at; repeat it. None: all.")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option("--weight", help="One for each --target: how much it counts.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=MOST, help="Demonstrations to plan for.")
    ] = 1,
    strategy: Annotated[
        str, typer.Option(help="amf, uniform, round_robin, ...; empty: the node's own.")
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Also what each candidate would teach each target.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="The same as a picture: a .png, .svg or .pdf file.")
    ] = None,
    seed: Seed = 0,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Ask which task to demonstrate next; shows every candidate's score and the reason.

    Only asks: nothing is recorded. Calls the service task_selector/next_task of the running graph.
    """
    explain = explain or picture is not None
    output = Output(as_json)
    with connect(namespace, wait) as graph:
        from amf_msgs.srv import NextTask
        from amf_ros.ros import names

        request = NextTask.Request(
            candidate_ids=candidate or [],
            target_ids=target or [],
            target_weights=weight or [],
            num_tasks=count,
            strategy=strategy,
            seed=seed,
            explain=explain,
        )
        answer = graph.call(NextTask, names.NEXT_TASK, request)
    plain = {
        "task_ids": list(answer.task_ids),
        "strategy": answer.strategy,
        "policy_id": answer.policy_id,
        "reason": answer.reason,
        "worthwhile": answer.worthwhile,
        "scores": [{name: getattr(score, name) for name in _COLUMNS} for score in answer.scores],
    }
    if explain:
        plain |= _gains(answer)
    if picture is not None:
        _draw(picture, plain)
        plain["picture"] = str(picture)
    output.answer(plain, lambda: _show(output, plain))


def _gains(answer: Any) -> dict[str, Any]:
    """Return the matrix row by row, in the order of the scores; none where the strategy computes none."""
    width = len(answer.target_ids)
    rows = [list(answer.gains[start : start + width]) for start in range(0, len(answer.gains), max(width, 1))]
    return {"target_ids": list(answer.target_ids), "gains": rows}


def _draw(picture: Path, answer: dict[str, Any]) -> None:
    import numpy as np

    from amf_ros.report.gain_map import draw

    if not answer["gains"]:
        raise DataError(
            f"no picture: strategy {answer['strategy']!r} computes no gains; ask with --strategy amf"
        )
    candidates = [score["task_id"] for score in answer["scores"]]
    title = f"next: {', '.join(answer['task_ids'])} ({answer['strategy']} by {answer['policy_id']})"
    draw(picture, candidates, answer["target_ids"], np.array(answer["gains"]), title)


def _show(output: Output, answer: dict[str, Any]) -> None:
    from amf_ros.cli import explanation

    scores = answer["scores"]
    timed = any(math.isfinite(one["demonstration_s"]) for one in scores)
    rows = [
        (
            one["task_id"],
            one["score"],
            one["num_demonstrations"],
            fraction(one["num_successes"], one["num_episodes"]),
            *((f"{one['demonstration_s']:.0f} s" if math.isfinite(one["demonstration_s"]) else "–",) * timed),
            one["reason"],
        )
        for one in scores
    ]
    times = (">each takes",) * timed
    output.table("", ("task", ">score", ">demos", ">success", *times, "reason"), rows)
    if answer.get("gains"):
        candidates = [one["task_id"] for one in scores]
        explanation.show(output, candidates, answer["target_ids"], answer["gains"])
    elif "gains" in answer:
        output.say(f"{answer['strategy']} computes no gains per target; --strategy amf does")
    output.say(f"next: {', '.join(answer['task_ids'])}", "bold green")
    output.say(f"{answer['strategy']}: {answer['reason']}")
    if not answer["worthwhile"]:
        output.say("another demonstration is not expected to be worth its while", "yellow")
    if "picture" in answer:
        output.say(f"picture: {short(Path(answer['picture']).resolve())}")
