"""``amf next``: which task to demonstrate next, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from amf_ros.cli.graph import connect
from amf_ros.cli.options import Json, Namespace, Seed, Timeout, panel
from amf_ros.cli.output import Output, fraction

_COLUMNS = (
    "task_id",
    "score",
    "information_gain",
    "posterior_std",
    "num_demonstrations",
    "num_episodes",
    "num_successes",
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
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Demonstrations to plan for.")] = 1,
    strategy: Annotated[
        str, typer.Option(help="amf, uniform, round_robin, ...; empty: the node's own.")
    ] = "",
    seed: Seed = 0,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Ask which task to demonstrate next; shows every candidate's score and the reason.

    Only asks: nothing is recorded. Calls the service task_selector/next_task of the running graph.
    """
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
        )
        answer = graph.call(NextTask, names.NEXT_TASK, request)
    plain = {
        "task_ids": list(answer.task_ids),
        "strategy": answer.strategy,
        "policy_id": answer.policy_id,
        "reason": answer.reason,
        "scores": [{name: getattr(score, name) for name in _COLUMNS} for score in answer.scores],
    }
    output.answer(plain, lambda: _show(output, plain))


def _show(output: Output, answer: dict[str, Any]) -> None:
    rows = [
        (
            one["task_id"],
            one["score"],
            one["num_demonstrations"],
            fraction(one["num_successes"], one["num_episodes"]),
            one["reason"],
        )
        for one in answer["scores"]
    ]
    output.table("", ("task", ">score", ">demos", ">success", "reason"), rows)
    output.say(f"next: {', '.join(answer['task_ids'])}", "bold green")
    output.say(f"{answer['strategy']}: {answer['reason']}")
