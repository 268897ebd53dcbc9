"""A fast multi-task setting with networks: which strategy finds out what pre-training left out?

    python benchmarks/kinematic.py [--seeds 10] [--strategies amf uniform ...] [--attributes] [--quick]

Sixteen tasks, four objects by four goals (amf_ros/tasks/kinematic), an MLP with adaptive prior, batches of
four demonstrations. All settings have about as many pre-training demonstrations:
  objects    pre-trained on two of the objects: 8 tasks of 16
  goals      pre-trained on two of the goals: 8 tasks of 16
  scattered  pre-trained on half of the pairs, each object and each goal with two
  matched    pre-trained on all tasks

With --attributes a task's embedding names its object and its goal, so that tasks share structure by name;
without it each task has an element of its own. A seed decides pre-training, starts, experts, choices and
training; all strategies of a seed start from the same checkpoint. Results go to one folder for each
embedding; unfinished sweeps continue: run the same command again.
"""

from __future__ import annotations

import argparse
import sys

from amf_ros.config import PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.sweep.script import finish, guarded, how, options, parse
from amf_ros.sweep.sessions import Setting, of_setting, run_sessions
from amf_ros.sweep.statistics import collect
from amf_ros.tasks.kinematic.world import GOALS, OBJECTS

STRATEGIES = (
    "amf",
    "amf_outcomes",
    "uniform",
    "round_robin",
    "rebalancing",
    "least_demonstrated",
    "uncertainty",
    "largest_loss",
    "lowest_success",
    "audit_then_count",
)
EACH = 12  # pre-training demonstrations of a known task where half of the tasks are known
TRAINING = TrainingConfig(hidden=(128, 128), chunk=2, pretrain_steps=2000, num_steps=400)


def known_tasks() -> dict[str, dict[str, int]]:
    """Setting -> task id -> demonstrations in pre-training."""
    pairs = [(thing, goal) for thing in range(len(OBJECTS)) for goal in range(len(GOALS))]
    known = {
        "objects": [(thing, goal) for thing, goal in pairs if thing < 2],
        "goals": [(thing, goal) for thing, goal in pairs if goal < 2],
        "scattered": [(thing, goal) for thing, goal in pairs if (thing + goal) % 2 == 0],
        "matched": pairs,
    }
    things, goals = tuple(OBJECTS), tuple(GOALS)
    each = {name: EACH * len(pairs) // (2 * len(own)) for name, own in known.items()}
    return {
        name: {f"{things[thing]}_{goals[goal]}": each[name] for thing, goal in own}
        for name, own in known.items()
    }


def settings(args: argparse.Namespace) -> list[Setting]:
    """One for each split."""
    suite = "kinematic_attributes" if args.attributes else "kinematic"
    training, known = TRAINING, known_tasks()
    if args.quick:
        training = training.model_copy(update={"hidden": (16,), "pretrain_steps": 20, "num_steps": 20})
        known = {name: dict.fromkeys(own, 1) for name, own in known.items()}
    return [
        Setting(
            name=name,
            pretraining=PretrainConfig(suite=suite, demonstrations=known[name], training=training),
            selection=SelectionConfig(reset_s=0.0),
            demonstrations=args.demonstrations,
            batch=args.batch,
            episodes=args.episodes,
        )
        for name in args.splits
    ]


def main() -> int:
    parser = options(__doc__, STRATEGIES, seeds=10)
    splits = tuple(known_tasks())
    parser.add_argument("--splits", nargs="+", choices=splits, default=splits, help="default: all four")
    parser.add_argument("--attributes", action="store_true", help="embed tasks by object and goal")
    parser.add_argument("--demonstrations", type=int, default=20, help="of a session (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="demonstrations a round (default: %(default)s)")
    parser.add_argument(
        "--episodes", type=int, default=4, help="a task after each round (default: %(default)s)"
    )
    args = parse(parser)
    if args.quick:
        args.seeds, args.demonstrations, args.batch, args.episodes = 2, 4, 2, 1
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    made = settings(args)
    name = made[0].pretraining.suite
    rows, jobs = run_sessions(name, made, args.strategies, seeds, args.out, how(args))
    return finish(args, name, rows, jobs, {one.name: collect(of_setting(rows, one.name)) for one in made})


if __name__ == "__main__":
    sys.exit(guarded(main))
