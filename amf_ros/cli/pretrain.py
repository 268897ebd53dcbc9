"""``amf pretrain``: scripted demonstrations of some tasks -> the checkpoint that a session starts from."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.check_suite import check_briefly
from amf_ros.cli.options import DEFAULT_DIRECTORY, MOST_SEED, Json, SessionDirectory, panel
from amf_ros.cli.output import Output, Track, on_interrupt

if TYPE_CHECKING:
    from amf_ros.core.config import PretrainConfig
    from amf_ros.core.values import CheckpointInfo


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "One step at a time",
            "amf pretrain",
            "amf pretrain my_tasks.yaml --session-directory runs/mine --seed 3",
        )
    )(pretrain)


def pretrain(
    config: Annotated[
        str, typer.Argument(help="What to pre-train on: a name in config/experiments, or a YAML file.")
    ] = "pretrain",
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=MOST_SEED, help="Instead of the file's seed.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the directory has a pre-trained policy already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the checkpoint that a session starts from.

    The suite's scripted experts demonstrate the tasks that the YAML file names, as often as it says, in
    simulation; a policy is trained on them and saved in the session directory. Needs no ROS.
    """
    from amf_ros.core.config import PretrainConfig, load_yaml
    from amf_ros.core.errors import CheckpointExists
    from amf_ros.core.paths import find_config
    from amf_ros.learning.checkpoints import as_path
    from amf_ros.session.pretraining import CHECKPOINT_ID
    from amf_ros.store.run_directory import RunDirectory

    output = Output(as_json)
    wanted = load_yaml(find_config("experiments", config), PretrainConfig)
    if seed is not None:
        wanted = wanted.model_copy(update={"seed": seed})
    check_briefly(output, wanted, session_directory)
    checkpoints = RunDirectory(session_directory).checkpoints
    if (checkpoints / CHECKPOINT_ID).exists() and not replace:
        raise CheckpointExists(
            f"{checkpoints / CHECKPOINT_ID} exists already: go on with it (amf up), choose another "
            "--session-directory, or make it anew with --replace; its roll-outs then count no more"
        )
    with on_interrupt(lambda: "stopped; nothing was saved, the same command starts over"):
        info = run(output, wanted, checkpoints)
    answer = {
        "checkpoint": info.id,
        "uri": info.uri,
        "policy": info.policy_type,
        "config": wanted.model_dump(),
    }

    def show() -> None:
        output.say(f"saved {as_path(info.uri)}")
        output.say(f"next: amf up {shlex.quote(f'session_directory:={session_directory}')}", "dim")

    output.answer(answer, show)


def run(output: Output, config: PretrainConfig, checkpoints: Path) -> CheckpointInfo:
    """Pre-train with progress; ``amf demo`` does the same."""
    from amf_ros.learning.cloning import Progress
    from amf_ros.session.pretraining import Demonstrated, pretrain_checkpoint

    seen = sum(count > 0 for count in config.demonstrations.values())
    titles = (f"demonstrating {seen} tasks in simulation", "training the policy")
    with ExitStack() as bars:
        collecting = bars.enter_context(output.track(titles[0], sum(config.demonstrations.values())))
        training: Track | None = None

        def report(now: Demonstrated | Progress) -> None:
            nonlocal training
            if isinstance(now, Demonstrated):
                collecting.to(now.done, now.task_id)
                return
            if training is None:
                bars.close()
                training = bars.enter_context(output.track(titles[1], config.training.pretrain_steps))
            training.to(now.step, f"loss {now.loss:.4f}")

        return pretrain_checkpoint(config, checkpoints, report)
