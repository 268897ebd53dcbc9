"""Speed of the simulation alone: control steps, physics steps and resets, in one process on one core.

    python benchmarks/simulation_speed.py [--task tower_of_three] [--seconds 2] [--json]

The floor is a bare loop of ``stepSimulation`` over the same world; the robot's own step adds motor commands
and reading the state. The real-time factor is simulated seconds per second. Measured in processor time, so
that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import pybullet

from amf_ros.sim.pybullet_arm import PHYSICS_HZ, PyBulletArm
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.tabletop import TabletopSuite


def rate(call: Callable[[], int], seconds: float) -> float:
    """What ``call`` counts, per second of processor time: the best of five stretches."""
    best = 0.0
    for _ in range(5):
        started, count = time.process_time(), 0
        while time.process_time() - started < seconds / 5:
            count += call()
        best = max(best, count / (time.process_time() - started))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="tower_of_three")
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the text")
    options = parser.parse_args()
    suite = TabletopSuite()
    task = suite.task(options.task)
    robot = PyBulletArm(TabletopScene())
    robot.reset(task.id, 0)
    substeps = PHYSICS_HZ / robot.control_hz

    def physics() -> int:
        pybullet.stepSimulation(physicsClientId=robot.client)
        return 1

    def step() -> int:
        robot.step()
        robot.state()
        return 1

    def reset() -> int:
        robot.reset(task.id, 0)
        return 1

    def episode() -> int:
        robot.reset(task.id, 0)
        expert, steps = TabletopStaging(suite).expert(task.id, 0), 0
        while (command := expert.command(*robot.state())) is not None:
            robot.write(command)
            robot.step()
            steps += 1
        return steps

    bare, control = rate(physics, options.seconds), rate(step, options.seconds)
    resets, expert = rate(reset, options.seconds), rate(episode, options.seconds)
    robot.close()
    result = {
        "task": task.id,
        "bare_physics_steps_per_s": bare,
        "physics_steps_per_s": control * substeps,
        "control_steps_per_s": control,
        "control_steps_per_s_demonstrating": expert,
        "real_time_factor": control / robot.control_hz,
        "share_of_bare_loop": control * substeps / bare,
        "resets_per_s": resets,
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{task.id}: {control:,.0f} control steps/s ({control * substeps:,.0f} physics steps/s)")
    print(f"  {result['real_time_factor']:.0f} times real time at {robot.control_hz:g} Hz")
    print(f"  {result['share_of_bare_loop']:.0%} of a bare stepSimulation loop ({bare:,.0f} steps/s)")
    print(f"  {expert:,.0f} control steps/s in whole demonstrations, resets included; {resets:,.0f} resets/s")


if __name__ == "__main__":
    main()
