"""The PyBullet suite in one process: what pre-training, the adaptive prior and the choice of task contribute.

    python benchmarks/tabletop.py [--seeds 5] [--strategies amf uniform ...] [--quick] [--json]

Four settings, all with an MLP and batches of four demonstrations:
  mismatched     pre-trained on half of the suite (config/experiments/pretrain.yaml), 20 demonstrations
  matched        as many pre-training demonstrations over the whole suite (pretrain_matched.yaml)
  contributions  mismatched, beside it without the prior (plain replay of what was collected) and trained
                 from scratch in every round on what was collected; its first point is the pre-trained policy
  costs          mismatched; demonstrations of every second task of the suite take three times as long (their
                 resets included), and success is read against minutes. Strategies that do not look at time
                 choose as before, so their runs of `mismatched` count again under these costs; those that
                 do (*_cost) run anew, with more demonstrations in the same minutes.

A seed decides pre-training, starts, experts, choices and training. All strategies of a seed start from the
same checkpoint and are evaluated on the same starts: 2 a task after each round, 6 at both ends. Unfinished
sweeps continue: run the same command again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from _costs import by_minutes

from amf_ros.core.config import PretrainConfig, SelectionConfig, load_yaml
from amf_ros.core.paths import find_config
from amf_ros.sweep.publish import publish, show_all
from amf_ros.sweep.script import finish, guarded, how, options, parse
from amf_ros.sweep.sessions import Setting, of_setting, run_sessions
from amf_ros.sweep.statistics import Curves, collect
from amf_ros.tasks.loading import load_suite

STRATEGIES = ("amf", "amf_outcomes", "uniform", "rebalancing", "audit_then_count")
BY_COST = ("amf_cost",)
SETTINGS = ("mismatched", "matched", "contributions", "costs")
SLOWER = 3.0


def settings(args: argparse.Namespace) -> dict[str, Setting]:
    """By name."""
    mismatched, matched = (
        load_yaml(find_config("experiments", name), PretrainConfig)
        for name in ("pretrain", "pretrain_matched")
    )
    if args.quick:
        mismatched, matched = (quick(config) for config in (mismatched, matched))
    base = Setting(
        name="mismatched",
        pretraining=mismatched,
        demonstrations=args.demonstrations,
        batch=args.batch,
        episodes=args.episodes,
        final_episodes=args.final_episodes,
    )
    tasks = [task.id for task in load_suite(mismatched.suite).tasks]
    variants: dict[str, dict[str, Any]] = {
        "mismatched": {},
        "matched": {"pretraining": matched},
        "replay": {"training": mismatched.training.model_copy(update={"prior": False})},
        "scratch": {"start": "scratch"},
        "costs": {
            "pace": dict.fromkeys(tasks[1::2], SLOWER),
            "selection": SelectionConfig(reset_s=0.0),
            "demonstrations": args.demonstrations * 8 // 5 // args.batch * args.batch,
        },
    }
    return {name: base.model_copy(update={"name": name, **change}) for name, change in variants.items()}


def quick(config: PretrainConfig) -> PretrainConfig:
    """One demonstration a task and hardly any training."""
    training = config.training.model_copy(update={"pretrain_steps": 20, "num_steps": 20, "hidden": (16,)})
    return config.model_copy(
        update={"demonstrations": dict.fromkeys(config.demonstrations, 1), "training": training}
    )


def contributions(rows: Sequence[Mapping[str, Any]]) -> dict[str, Curves]:
    """The first two strategies as they are, and with replay or from scratch beside them."""
    curves = {}
    for name, label in (("mismatched", "{}"), ("replay", "{}, no prior"), ("scratch", "{}, from scratch")):
        for strategy, own in collect(of_setting([dict(row) for row in rows], name)).items():
            if strategy in ("amf", "uniform"):
                curves[label.format(strategy)] = own
    return curves


def main() -> int:
    parser = options(__doc__, STRATEGIES, seeds=5)
    parser.add_argument("--cost-strategies", nargs="*", default=list(BY_COST), metavar="NAME")
    parser.add_argument("--demonstrations", type=int, default=20, help="of a session (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="demonstrations a round (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=2, help="a task after each round")
    parser.add_argument("--final-episodes", type=int, default=6, help="a task at both ends")
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=SETTINGS,
        default=SETTINGS,
        help="default: all; mismatched always runs",
    )
    args = parse(parser)
    if args.quick:
        args.seeds, args.demonstrations, args.batch, args.episodes, args.final_episodes = 2, 4, 2, 1, 1
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    made, name = settings(args), "tabletop"
    if set(args.settings) != set(SETTINGS):
        name = "_".join(["tabletop", *args.settings, f"{args.seeds}_seeds"])
    rows: list[dict[str, Any]] = []
    jobs: list[dict[str, Any]] = []
    for names, strategies in wanted(args):
        done, asked = run_sessions(
            "tabletop", [made[name] for name in names], strategies, seeds, args.out, how(args)
        )
        rows, jobs = rows + done, jobs + asked
    panels = {
        one: collect(of_setting(rows, one)) for one in ("mismatched", "matched") if one in args.settings
    }
    if "contributions" in args.settings:
        panels["contributions"] = contributions(rows)
    if "costs" not in args.settings:
        return finish(args, name, rows, jobs, panels)
    by_cost = {"costs": by_minutes(rows, "mismatched", made["costs"], args.strategies)}
    costs = publish(
        args.out, f"{name}_costs", by_cost,
        reference=args.reference, rows=rows, num_jobs=len(jobs), x="minutes", plot=args.plot,
    )  # fmt: skip
    code = finish(args, name, rows, jobs, panels, extra={"costs": costs.document["settings"]["costs"]})
    if not args.json:
        show_all(costs)
    return code


def wanted(args: argparse.Namespace) -> list[tuple[list[str], list[str]]]:
    """Names of settings, and the strategies to run in them."""
    pair = [name for name in ("amf", "uniform") if name in args.strategies]
    whole = ["mismatched"] + ["matched"] * ("matched" in args.settings)
    asked = [(whole, list(args.strategies))]
    if "contributions" in args.settings:
        asked.append((["replay", "scratch"], pair))
    if "costs" in args.settings:
        asked.append((["costs"], list(args.cost_strategies)))
    return asked


if __name__ == "__main__":
    sys.exit(guarded(main))
