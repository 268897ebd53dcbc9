"""One evaluated episode before and after the session, replayed in the simulator. Imports training and below.

The same seed gives the same start and equal commands give equal motion, so the film shows what was
evaluated and not something like it.

    film = replay(Path("runs/demo"), contract="panda_tabletop")
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from amf_ros.contract import load_contract
from amf_ros.data.run_directory import RunDirectory
from amf_ros.policies.controller import ChunkController
from amf_ros.registry import load as load_registered
from amf_ros.robots.pybullet import PyBulletRobot
from amf_ros.session.journal import Journal
from amf_ros.session.summary import history
from amf_ros.tasks.base import Suite
from amf_ros.training.checkpoints import load as load_checkpoint
from amf_ros.training.cloning import one_thread
from amf_ros.training.environment import RobotEnvironment
from amf_ros.types import Outcome

SIZE = (320, 240)  # [px]
EVERY = 4  # steps per frame: at 20 Hz, 5 frames a second
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
class Pair:
    """The same episode (task and seed) of the first and of the last evaluated checkpoint."""

    task_id: str
    seed: int
    first: str
    last: str


def replay(directory: Path, contract: str) -> Film | None:
    """Film the most telling episode of a session; None where nothing was evaluated twice.

    Raises:
        DataError: there is no session in the directory.
        CheckpointError: a checkpoint of it cannot be read.
    """
    run = RunDirectory(directory)
    with Journal(run.database, read_only=True) as journal:
        plan = journal.plan
        evaluated = [entry for entry in journal.entries() if entry.phase == "evaluating"]
        made = sum(len(entry["demonstrations"]) for entry in history(journal))
    pair = telling_pair([entry.value | {"round": entry.round} for entry in evaluated])
    if plan is None or pair is None:
        return None
    suite: Suite = load_registered("suite", plan.suite)()
    agreed = load_contract(contract)
    robot = PyBulletRobot(suite.scene(), control_hz=agreed.fps)
    environment = RobotEnvironment(robot, suite, agreed)
    try:
        panels = [
            _panel(environment, run.checkpoints / pair.first, pair, "Before: the pre-trained policy"),
            _panel(environment, run.checkpoints / pair.last, pair, f"After {made} demonstrations"),
        ]
    finally:
        robot.close()
    return Film(
        title=f"“{suite.task(pair.task_id).instruction}”, from the same start",
        note=f"Evaluated episode of task {pair.task_id}, start seed {pair.seed}, replayed in the simulator. "
        "Not a typical episode: the one where the difference is plainest.",
        panels=panels,
    )


def telling_pair(episodes: Sequence[Mapping[str, Any]]) -> Pair | None:
    """The episode that failed before and works after, of the task that gained most; else any repeated one.

    Args:
        episodes: journalled roll-outs with ``task_id``, ``seed``, ``checkpoint_id``, ``outcome``, ``round``.
    """
    if not episodes:
        return None
    last_round = max(episode["round"] for episode in episodes)
    first = {(e["task_id"], e["seed"]): e for e in episodes if e["round"] == 0}
    last = {(e["task_id"], e["seed"]): e for e in episodes if e["round"] == last_round and last_round > 0}
    shared = [key for key in first if key in last]
    if not shared:
        return None
    gains: Counter[str] = Counter()
    for key in shared:
        gains[key[0]] += _gain(first[key], last[key])
    best = max(shared, key=lambda key: (_gain(first[key], last[key]), gains[key[0]], _done(last[key])))
    return Pair(*best, first[best]["checkpoint_id"], last[best]["checkpoint_id"])


def animate(frames: Sequence[Image.Image], period_ms: int) -> str:
    """Frames as a looping WebP in a ``data:`` URI."""
    buffer = io.BytesIO()
    rest = list(frames[1:])
    durations = [period_ms] * len(rest) + [HOLD_MS]
    frames[0].save(
        buffer, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=70, method=1
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _panel(environment: RobotEnvironment, checkpoint: Path, pair: Pair, title: str) -> Panel:
    policy = load_checkpoint(checkpoint).policy
    controller = ChunkController(policy, environment.suite.embedding(pair.task_id))
    robot = environment.robot
    assert isinstance(robot, PyBulletRobot)  # noqa: S101 - replay made it so
    frames = []
    vector = environment.reset(pair.task_id, pair.seed)
    with one_thread():
        while not environment.done:
            if environment.num_steps % EVERY == 0:
                frames.append(Image.fromarray(robot.render(*SIZE)))
            vector = environment.step(controller.act(vector))
    frames.append(Image.fromarray(robot.render(*SIZE)))
    seconds = environment.num_steps / robot.control_hz
    ended = f"done in {seconds:.1f} s" if environment.succeeded else f"not done in {seconds:.0f} s"
    return Panel(animate(frames, round(1000 * EVERY / robot.control_hz)), f"{title}: {ended}")


def _gain(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    return _done(after) - _done(before)


def _done(episode: Mapping[str, Any]) -> int:
    return int(episode["outcome"] == Outcome.SUCCESS)
