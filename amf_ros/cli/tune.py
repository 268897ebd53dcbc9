"""``amf tune``: fine-tune the policy on the recorded demonstrations."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from amf_ros.cli.graph import connect, seconds
from amf_ros.cli.options import MOST, Json, Namespace, Seed, Timeout, panel
from amf_ros.cli.output import Output
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import home_expanded, local_path


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "One step at a time",
            "amf tune",
            "amf tune --steps 500",
            "amf tune --from runs/demo/checkpoints/pretrained --round 1 --replace",
        )
    )(tune)


def tune(
    steps: Annotated[
        int, typer.Option("--steps", min=0, max=MOST, help="Gradient steps; 0: the node's parameter.")
    ] = 0,
    initial: Annotated[
        str, typer.Option("--from", help="Checkpoint folder or URI to start from; empty: the newest.")
    ] = "",
    demonstration: Annotated[
        list[str] | None, typer.Option("--demonstration", help="Id to train on; repeat it. None: all stored.")
    ] = None,
    round_: Annotated[
        int,
        typer.Option(
            "--round", min=0, max=MOST, help="Number of the new checkpoint; 0: the next that is free."
        ),
    ] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Train anew even where --round has a finished checkpoint.")
    ] = False,
    seed: Seed = 0,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Fine-tune the policy on the recorded demonstrations, and save a checkpoint.

    Ctrl-C stops training; what was reached is saved as unfinished, and never over a finished checkpoint.
    """
    output = Output(as_json)
    if replace and not round_:
        raise ConfigError("--replace: say which one with --round")
    if initial:
        initial = home_expanded(local_path(initial, "checkpoint")).resolve().as_uri()
    with connect(namespace, wait) as graph, output.track("fine-tuning", 1.0) as track:
        from amf_msgs.action import FineTune
        from amf_ros.ros import names

        def progress(message: Any) -> None:
            left = f"loss {message.loss:.4f}, {seconds(message.estimated_time_remaining):.0f} s left"
            track.to(message.step / max(message.num_steps, 1), left if math.isfinite(message.loss) else "")

        goal = FineTune.Goal(
            initial_checkpoint_uri=initial,
            demonstration_ids=demonstration or [],
            num_steps=steps,
            round=round_,
            seed=seed,
            replace=replace,
        )
        result = graph.act(FineTune, names.FINE_TUNE, goal, progress)
        track.to(1.0, f"loss {result.final_loss:.4f}")
    made, spent = result.checkpoint, seconds(result.training_time)
    answer = {
        "checkpoint": made.id,
        "uri": made.uri,
        "round": made.round,
        "num_demonstrations": made.num_demonstrations,
        "loss": result.final_loss,
        "seconds": spent,
    }

    def show() -> None:
        found = f"{made.num_demonstrations} demonstrations, loss {result.final_loss:.4f}, {spent:.1f} s"
        output.say(f"{made.id}: {found}")
        if not spent:
            output.say("made before from the same demonstrations and settings: nothing was trained anew")
        output.say(made.uri, "dim")

    output.answer(answer, show)
