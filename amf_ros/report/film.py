"""An episode of the final policy beside the pre-trained one, in the simulator. Imports training and below.

The same seed gives the same start and equal commands give equal motion, so the film of the final policy
shows what was evaluated and not something like it.

    film = replay(Path("runs/demo"), contract="panda_tabletop")
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from amf_ros.core.values import Outcome
from amf_ros.learning.checkpoints import load as load_checkpoint
from amf_ros.policies.base import Policy
from amf_ros.policies.controller import ChunkController
from amf_ros.policies.torch_threads import one_thread
from amf_ros.rollout.episodes import run_policy
from amf_ros.rollout.robot_environment import RobotEnvironment, make_environment
from amf_ros.session.journal import Journal
from amf_ros.session.summary import history
from amf_ros.sim.protocol import Renderer
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.base import RobotSuite
from amf_ros.tasks.loading import allowed_policies, load_suite

SIZE = (320, 240)  # [px]
EVERY = 4  # steps per frame: at 20 Hz, 5 frames a second
LOOKED_AT = 4  # starts tried to find one that the pre-trained policy fails
HOLD_MS = 1500  # the last frame stands still before the film starts again


@dataclass(frozen=True)
class Panel:
    """One moving picture as a ``data:`` URI, with what it shows."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Film:
    """Panels that start together."""

    title: str
    note: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Choice:
    """What is worth filming: a task, starts of it that the last policy mastered, and both checkpoints."""

    task_id: str
    seeds: tuple[int, ...]
    first: str
    last: str


def replay(directory: Path, contract: str, allow: Sequence[str] = ()) -> Film | None:
    """Film an episode of the final policy, and the pre-trained one from the same start.

    Args:
        directory: of the session.
        contract: name or path.
        allow: as for :func:`amf_ros.report.gather.gather`.

    Returns:
        None where only one checkpoint was evaluated, or where the suite has no scene that a camera sees.

    Raises:
        DataError: there is no session in the directory.
        CheckpointError: a checkpoint of it cannot be read.
    """
    run = RunDirectory(directory)
    with Journal(run.database, read_only=True) as journal:
        plan = journal.plan
        evaluated = [entry for entry in journal.entries() if entry.phase == "evaluating"]
        made = sum(len(entry["demonstrations"]) for entry in history(journal))
    choice = telling_choice([entry.value | {"round": entry.round} for entry in evaluated])
    if plan is None or choice is None:
        return None
    suite = load_suite(plan.suite, allow)
    if not isinstance(suite, RobotSuite):
        return None
    ids, policies = (choice.first, choice.last), allowed_policies(suite)
    first, last = (load_checkpoint(run.checkpoints / name, policies).policy for name in ids)
    with closing(make_environment(suite, contract)) as environment:
        if not isinstance(environment, RobotEnvironment) or not isinstance(environment.simulator, Renderer):
            return None
        camera, task_id = environment.simulator, choice.task_id
        seed = _start(environment, first, choice)
        panels = [
            _panel(environment, camera, first, task_id, seed, "Before: the pre-trained policy"),
            _panel(environment, camera, last, task_id, seed, f"After {made} demonstrations"),
        ]
    return Film(
        title=f"“{suite.task(choice.task_id).instruction}”, from the same start",
        note=f"Right: an evaluated episode of {choice.task_id}, the task that gained most (seed {seed}). "
        "Left: the pre-trained policy from that start. Chosen to show the difference: not a typical episode.",
        panels=panels,
    )


def telling_choice(episodes: Sequence[Mapping[str, Any]]) -> Choice | None:
    """Pick the task whose success rose most, and its starts that the last policy mastered, else all.

    Args:
        episodes: journalled roll-outs with ``task_id``, ``seed``, ``checkpoint_id``, ``outcome``, ``round``.
    """
    last_round = max((episode["round"] for episode in episodes), default=0)
    first = [episode for episode in episodes if episode["round"] == 0]
    last = [episode for episode in episodes if episode["round"] == last_round]
    both = [name for name in dict.fromkeys(e["task_id"] for e in first) if _rate(last, name) is not None]
    if last_round == 0 or not both:
        return None

    def gain(task_id: str) -> float:
        return (_rate(last, task_id) or 0.0) - (_rate(first, task_id) or 0.0)

    task_id = max(both, key=gain)
    final = [episode for episode in last if episode["task_id"] == task_id]
    shown = [episode for episode in final if _done(episode)] or final
    return Choice(
        task_id, tuple(e["seed"] for e in shown), first[0]["checkpoint_id"], last[0]["checkpoint_id"]
    )


def _start(environment: RobotEnvironment, first: Policy, choice: Choice) -> int:
    """Of a few starts, one that the pre-trained policy fails, if there is one."""
    for seed in choice.seeds[:LOOKED_AT]:
        if run_policy(environment, first, choice.task_id, seed, "").outcome is not Outcome.SUCCESS:
            return seed
    return choice.seeds[0]


def animate(frames: Sequence[Image.Image], period_ms: int) -> str:
    """Frames as a looping WebP in a ``data:`` URI."""
    buffer = io.BytesIO()
    rest = list(frames[1:])
    durations = [period_ms] * len(rest) + [HOLD_MS]
    frames[0].save(
        buffer, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=70, method=1
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _panel(
    environment: RobotEnvironment, camera: Renderer, policy: Policy, task_id: str, seed: int, title: str
) -> Panel:
    controller = ChunkController(policy, environment.suite.embedding(task_id))
    frames = []
    observation = environment.reset(task_id, seed)
    with one_thread():
        while not environment.done:
            if environment.num_steps % EVERY == 0:
                frames.append(Image.fromarray(camera.render(*SIZE)))
            observation = environment.step(controller.act(observation))
    frames.append(Image.fromarray(camera.render(*SIZE)))
    rate_hz = environment.contract.fps
    seconds = environment.num_steps / rate_hz
    ended = f"done in {seconds:.1f} s" if environment.succeeded else f"not done in {seconds:.0f} s"
    return Panel(animate(frames, round(1000 * EVERY / rate_hz)), f"{title}: {ended}")


def _rate(episodes: Sequence[Mapping[str, Any]], task_id: str) -> float | None:
    done = [_done(episode) for episode in episodes if episode["task_id"] == task_id]
    return sum(done) / len(done) if done else None


def _done(episode: Mapping[str, Any]) -> bool:
    return bool(episode["outcome"] == Outcome.SUCCESS)
