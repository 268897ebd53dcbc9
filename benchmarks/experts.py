"""How reliably the scripted experts do their tasks, and how long they take.

    python benchmarks/experts.py [--starts 100] [--first-seed 0] [--tasks press_button ...] [--json]

Start n of a task has seed ``first-seed + n``, for the scene and for the expert's noise. An expert succeeds
when the task's predicate held for the judge's dwell before it stopped or its time was over. Intervals are
Wilson's, 95%. Exits with 1 when a task lies below 95%.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass

from amf_ros.core.stats import wilson
from amf_ros.core.values import Outcome
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.tabletop import TabletopSuite

WANTED = 0.95


@dataclass(frozen=True)
class Row:
    """One task; lengths are those of whole episodes in control steps."""

    task: str
    starts: int
    successes: int
    low: float
    high: float
    median_steps: float
    longest_steps: int
    simulated_s: float
    seconds_per_episode: float
    failed_seeds: tuple[int, ...]


def episode(suite: TabletopSuite, robot: PyBulletArm, task_id: str, seed: int) -> tuple[bool, int]:
    """Whether the expert did the task, and the number of its commands."""
    robot.reset(task_id, seed)
    judge, expert = Judge(suite, task_id), TabletopStaging(suite).expert(task_id, seed)
    limit = round(suite.task(task_id).time_limit_s * robot.control_hz)
    for step in range(limit):
        joints, scene = robot.state()
        judge.update(scene)
        command = expert.command(joints, scene)
        if command is None:
            return judge.outcome is Outcome.SUCCESS, step
        robot.write(command)
        robot.step()
    judge.update(robot.state()[1])
    return judge.outcome is Outcome.SUCCESS, limit


def measure(suite: TabletopSuite, robot: PyBulletArm, task_id: str, seeds: range) -> Row:
    started = time.perf_counter()
    episodes = [episode(suite, robot, task_id, seed) for seed in seeds]
    seconds = time.perf_counter() - started
    steps = [length for _, length in episodes]
    successes = sum(done for done, _ in episodes)
    return Row(
        task_id,
        len(seeds),
        successes,
        *wilson(successes, len(seeds)),
        statistics.median(steps),
        max(steps),
        statistics.median(steps) / robot.control_hz,
        seconds / len(seeds),
        tuple(seed for seed, (done, _) in zip(seeds, episodes, strict=True) if not done),
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=100, help="episodes per task")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", help="task ids; all of the suite by default")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    options = parser.parse_args()
    suite = TabletopSuite()
    ids = [suite.task(name).id for name in options.tasks or [task.id for task in suite.tasks]]
    robot = PyBulletArm(TabletopScene())
    seeds = range(options.first_seed, options.first_seed + options.starts)
    rows = []
    if not options.json:
        print("task                    success    95% interval    steps   max  sim s  wall s")
    for task_id in ids:
        row = measure(suite, robot, task_id, seeds)
        rows.append(row)
        if not options.json:
            failed = f"failed seeds {list(row.failed_seeds)}" if row.failed_seeds else ""
            print(
                f"{row.task:22s} {row.successes:5d}/{row.starts:<3d} [{row.low:6.1%}, {row.high:6.1%}] "
                f"{row.median_steps:6.0f} {row.longest_steps:5d} {row.simulated_s:6.1f} "
                f"{row.seconds_per_episode:7.2f}  {failed}".rstrip(),
                flush=True,
            )
    robot.close()
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    return int(any(row.successes < WANTED * row.starts for row in rows))


if __name__ == "__main__":
    sys.exit(main())
