"""``amf evaluate``: how often does the policy succeed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from amf_ros.cli.graph import connect, execute_policy, load_checkpoint, reset_scene, task_ids
from amf_ros.cli.options import (
    DEFAULT_DIRECTORY,
    MOST,
    Contract,
    Json,
    Namespace,
    Seed,
    SessionDirectory,
    Suite,
    Timeout,
    panel,
)
from amf_ros.cli.output import Output, on_interrupt
from amf_ros.cli.session import show_success
from amf_ros.core.defaults import CONTRACT, SUITE
from amf_ros.core.stats import wilson

RunEpisode = Callable[[str, int], bool]  # (task, seed) -> success


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "One step at a time",
            "amf evaluate --episodes 10",
            "amf evaluate open_drawer push_green --local --checkpoint runs/demo/checkpoints/pretrained",
        )
    )(evaluate)


def evaluate(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; none: all.", show_default=False)] = None,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, max=MOST, help="Per task.")] = 5,
    checkpoint: Annotated[str, typer.Option(help="Folder or URI; empty: the newest.")] = "",
    seed: Seed = 0,
    local: Annotated[
        bool, typer.Option("--local", help="In this process, without ROS, in simulation.")
    ] = False,
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    suite: Suite = SUITE,
    contract: Contract = CONTRACT,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Let the policy try each task from several starts; success with 95% Wilson intervals.

    All episodes run one checkpoint: --checkpoint, or the newest of the session directory at the start.

    Equal seeds give equal starts, those of a session with the same seed, so policies can be compared.
    """
    from amf_ros.session.plan import derive_seed

    output = Output(as_json)
    if local:
        opened = _simulated(session_directory, suite, contract, checkpoint)
    else:
        opened = _on_graph(namespace, wait, checkpoint)
    counts: dict[str, tuple[int, int]] = {}
    with on_interrupt(lambda: _so_far(counts)), opened as (known, ran, run):
        wanted = list(tasks or known)
        counts.update(dict.fromkeys(wanted, (0, 0)))
        with output.track("evaluating", len(wanted) * episodes) as track:
            for task_id in wanted:
                for number in range(episodes):
                    done, tried = counts[task_id]
                    succeeded = run(task_id, derive_seed(seed, "evaluation", task_id, number))
                    counts[task_id] = (done + succeeded, tried + 1)
                    total = [sum(column) for column in zip(*counts.values(), strict=True)]
                    track.to(total[1], f"{task_id}, success {total[0]}/{total[1]}")
    answer = {"checkpoint": ran, "seed": seed, "tasks": {name: _plain(*one) for name, one in counts.items()}}
    answer |= _plain(*(sum(column) for column in zip(*counts.values(), strict=True)))

    def show() -> None:
        show_success(output, counts)
        output.say(f"of checkpoint {ran}")

    output.answer(answer, show)


def _so_far(counts: dict[str, tuple[int, int]]) -> str:
    done, tried = (sum(column) for column in zip(*counts.values(), strict=True)) if counts else (0, 0)
    return f"stopped after {tried} episodes, success {done}/{tried}"


@contextmanager
def _on_graph(namespace: str, wait_s: float, checkpoint: str) -> Iterator[tuple[list[str], str, RunEpisode]]:
    """Give tasks, checkpoint id, and a function that does an episode on the running graph's robot."""
    with connect(namespace, wait_s) as graph:
        ran = load_checkpoint(graph, checkpoint)

        def run(task_id: str, seed: int) -> bool:
            start = reset_scene(graph, task_id, seed)
            return bool(execute_policy(graph, task_id, ran.uri, start).outcome == 1)

        yield task_ids(graph), ran.id, run


@contextmanager
def _simulated(
    directory: Path, suite: str, contract: str, checkpoint: str
) -> Iterator[tuple[list[str], str, RunEpisode]]:
    """Give tasks, checkpoint id, and a function that does an episode in this process."""
    from amf_ros.core.errors import CheckpointError
    from amf_ros.core.values import Outcome
    from amf_ros.learning.checkpoint_fit import check_fits
    from amf_ros.learning.checkpoint_folder import newest
    from amf_ros.learning.checkpoints import load
    from amf_ros.rollout.episodes import run_policy
    from amf_ros.rollout.robot_environment import make_environment
    from amf_ros.store.run_directory import RunDirectory
    from amf_ros.tasks.loading import allowed_policies, load_suite

    if not checkpoint and not directory.is_dir():
        raise CheckpointError(f"no session directory {directory}: run `amf pretrain`, or name a --checkpoint")
    source: str | None = checkpoint
    if not checkpoint:
        found = newest(RunDirectory(directory).checkpoints)
        if found is None:
            raise CheckpointError(
                f"no checkpoint in {directory}: run `amf pretrain`, or name one with --checkpoint"
            )
        source = found.uri
    tasks = load_suite(suite)
    stored = load(source or "", allowed_policies(tasks))
    with closing(make_environment(tasks, contract)) as environment:
        check_fits(stored, environment.interface, environment.suite)
        yield (
            [task.id for task in environment.suite.tasks],
            stored.info.id,
            lambda task_id, seed: (
                run_policy(environment, stored.policy, task_id, seed, "").outcome is Outcome.SUCCESS
            ),
        )


def _plain(successes: int, episodes: int) -> dict[str, Any]:
    return {"successes": successes, "episodes": episodes, "interval": wilson(successes, episodes)}
