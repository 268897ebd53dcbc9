"""``amf run``: let the policy do one episode of a task."""

from __future__ import annotations

from typing import Annotated

import typer

from amf_ros.cli.graph import OUTCOMES, connect, execute_policy, load_checkpoint, reset_scene, seconds
from amf_ros.cli.options import Json, Namespace, Seed, Timeout, panel
from amf_ros.cli.output import Output


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        "run",
        **panel(
            "One step at a time",
            "amf run open_drawer --seed 3",
            "amf run open_drawer --checkpoint runs/demo/checkpoints/pretrained",
        ),
    )(execute)


def execute(
    task: Annotated[str, typer.Argument(help="Task to do.", show_default=False)],
    seed: Seed = 0,
    checkpoint: Annotated[str, typer.Option(help="Folder or URI; empty: the newest.")] = "",
    reset: Annotated[bool, typer.Option(help="Bring the scene to a start of the task first.")] = True,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Let the policy do one episode of a task on the robot. Ctrl-C stops it; the arm holds."""
    output = Output(as_json)
    with connect(namespace, wait) as graph:
        ran = load_checkpoint(graph, checkpoint)
        start = reset_scene(graph, task, seed) if reset else None
        result = execute_policy(graph, task, ran.uri, start)
    outcome, elapsed = OUTCOMES[result.outcome], seconds(result.elapsed)
    answer = {
        "task_id": task,
        "checkpoint": ran.id,
        "seed": seed,
        "outcome": outcome,
        "num_steps": result.num_steps,
        "elapsed_s": elapsed,
        "rollout_uri": result.rollout_uri,
    }
    style = "green" if outcome == "success" else "yellow"
    output.answer(answer, lambda: output.say(f"{task}: {outcome} after {elapsed:.1f} s, by {ran.id}", style))
