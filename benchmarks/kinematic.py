"""A fast multi-task setting with networks: which strategy finds out what pre-training left out?

    python benchmarks/kinematic.py [--seeds 10] [--strategies amf uniform ...] [--attributes] [--quick]

Sixteen tasks, four objects by four goals (amf_ros/tasks/kinematic), an MLP with adaptive prior, batches of
four demonstrations. All settings have 96 pre-training demonstrations:
  objects   12 of each task with one of two objects, none of the others
  goals     12 of each task with one of two goals, none of the others
  skewed    16, 6, 2 or none of a task, so that every object and every goal has one task of each
  matched   6 of each task
and `costs`: `objects` again, with demonstrations of every second goal taking three times as long, and success
read against minutes. Strategies that do not look at time choose as before, so their runs count again under
these costs; those that do (*_cost) run anew, with more demonstrations in the same minutes.

With --attributes a task's embedding names its object and its goal, so that tasks share structure by name;
without it each task has an element of its own. A seed decides pre-training, starts, experts, choices and
training; all strategies of a seed start from the same checkpoint. Results go to one folder for each
embedding; unfinished sweeps continue: run the same command again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from _costs import by_minutes

from amf_ros.core.config import PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.sweep.publish import publish, show_all
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
BY_COST = ("amf_cost", "amf_outcomes_cost")
COSTLY, SLOWER = "objects", 3.0
# Few steps, and so at the rate of pre-training.
TRAINING = TrainingConfig(hidden=(128, 128), chunk=2, pretrain_steps=2000, num_steps=400, learning_rate=3e-3)


def known_tasks() -> dict[str, dict[str, int]]:
    """Setting -> task id -> demonstrations in pre-training."""
    things, goals = tuple(OBJECTS), tuple(GOALS)
    rules: dict[str, Callable[[int, int], int]] = {
        "objects": lambda thing, goal: 12 if thing < len(things) // 2 else 0,
        "goals": lambda thing, goal: 12 if goal < len(goals) // 2 else 0,
        "skewed": lambda thing, goal: (16, 6, 2, 0)[(thing + goal) % 4],
        "matched": lambda thing, goal: 6,
    }
    return {
        name: {f"{a}_{b}": rule(i, j) for i, a in enumerate(things) for j, b in enumerate(goals)}
        for name, rule in rules.items()
    }


def settings(args: argparse.Namespace) -> list[Setting]:
    """One for each split."""
    suite = "kinematic_attributes" if args.attributes else "kinematic"
    training, known = TRAINING, known_tasks()
    if args.quick:
        training = training.model_copy(update={"hidden": (16,), "pretrain_steps": 20, "num_steps": 20})
        known = {
            name: {task_id: min(count, 1) for task_id, count in own.items()} for name, own in known.items()
        }
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


def costly(setting: Setting) -> Setting:
    """The setting with costs: more demonstrations, for those who choose cheap ones."""
    slow = [f"{thing}_{goal}" for thing in OBJECTS for goal in tuple(GOALS)[1::2]]
    more = -(-setting.demonstrations * 8 // 5 // setting.batch) * setting.batch
    return setting.model_copy(
        update={"name": "costs", "pace": dict.fromkeys(slow, SLOWER), "demonstrations": more}
    )


def parser() -> argparse.ArgumentParser:
    """The script's options."""
    made, splits = options(__doc__, STRATEGIES, seeds=10), tuple(known_tasks())
    add = made.add_argument
    add("--splits", nargs="+", choices=splits, default=splits, help="default: all four")
    add("--cost-strategies", nargs="*", default=list(BY_COST), metavar="NAME")
    add("--attributes", action="store_true", help="embed tasks by object and goal")
    add("--demonstrations", type=int, default=20, help="of a session (default: %(default)s)")
    add("--batch", type=int, default=4, help="demonstrations a round (default: %(default)s)")
    add("--episodes", type=int, default=4, help="a task after each round (default: %(default)s)")
    return made


def shrink(args: argparse.Namespace) -> None:
    """What --quick means."""
    if args.quick:
        args.seeds, args.demonstrations, args.batch, args.episodes = 2, 4, 2, 1


def main() -> int:
    args = parse(parser())
    shrink(args)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    made = settings(args)
    name = made[0].pretraining.suite
    rows, jobs = run_sessions(name, made, args.strategies, seeds, args.out, how(args))
    panels = {one.name: collect(of_setting(rows, one.name)) for one in made}
    slow = [costly(one) for one in made if one.name == COSTLY]
    if not (slow and args.cost_strategies):
        return finish(args, name, rows, jobs, panels)
    more, asked = run_sessions(name, slow, args.cost_strategies, seeds, args.out, how(args))
    rows, jobs = rows + more, jobs + asked
    by_cost = {"costs": by_minutes(rows, COSTLY, slow[0], args.strategies)}
    costs = publish(
        args.out, f"{name}_costs", by_cost,
        reference=args.reference, rows=rows, num_jobs=len(jobs), x="minutes", plot=args.plot,
    )  # fmt: skip
    code = finish(args, name, rows, jobs, panels, extra={"costs": costs.document["settings"]["costs"]})
    if not args.json:
        show_all(costs)
    return code


if __name__ == "__main__":
    sys.exit(guarded(main))
