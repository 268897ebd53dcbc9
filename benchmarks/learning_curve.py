"""What demonstrations are worth: success before, between and after, by strategy, in one process.

    python benchmarks/learning_curve.py [--strategies amf uniform] [--seeds 3] [--demonstrations 12] [--json]

A seed decides pre-training, starts, choices and training. All strategies of a seed start from the same
checkpoint and are evaluated on the same starts. Intervals are Wilson's, 95%, over the episodes of all
seeds; episodes of one seed share a policy, so read them as a lower bound of the uncertainty.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amf_ros.config import PretrainConfig, load_yaml
from amf_ros.paths import find_config
from amf_ros.session.journal import Journal
from amf_ros.session.local import run_local
from amf_ros.session.plan import Plan
from amf_ros.session.summary import summary
from amf_ros.stats import wilson
from amf_ros.training.pretrain import pretrain_checkpoint


def run_seed(seed: int, args: argparse.Namespace, work: Path) -> list[dict[str, Any]]:
    """One summary per strategy (:func:`amf_ros.session.summary.summary`), with ``pretrain_s``."""
    config = load_yaml(find_config("experiments", args.pretraining), PretrainConfig)
    started = time.monotonic()
    info = pretrain_checkpoint(config.model_copy(update={"seed": seed}), work / f"pretrained_{seed}")
    pretrain_s = time.monotonic() - started
    made = []
    for strategy in args.strategies:
        plan = Plan(
            suite=config.suite,
            strategy=strategy,
            num_rounds=args.demonstrations // args.batch,
            demonstrations_per_round=args.batch,
            evaluation_episodes=args.between,
            final_episodes=args.episodes,
            seed=seed,
        )
        out = work / f"{strategy}_{seed}"
        run_local(plan, info.uri, out, config.contract, training=config.training)
        with Journal(out / "session.sqlite", read_only=True) as journal:
            made.append({**summary(journal), "pretrain_s": pretrain_s})
        tell(made[-1], config)
    return made


def rate(counts: Sequence[dict[str, Any]]) -> str:
    """Success over several counts, with its interval."""
    successes, episodes = sum(c["successes"] for c in counts), sum(c["episodes"] for c in counts)
    low, high = wilson(successes, episodes)
    return f"{successes / max(episodes, 1):4.0%} [{low:4.0%}, {high:4.0%}] of {episodes}"


def tell(result: dict[str, Any], config: PretrainConfig) -> None:
    """One run: the curve over rounds, then the tasks."""
    chosen, before, after = result["demonstrations"], result["success_before"], result["success_after"]
    print(f"\n{result['strategy']}, seed {result['seed']}: {rate([before])} -> {rate([after])}")
    print(f"  pre-training {result['pretrain_s']:.0f} s; seconds {result['seconds']}")
    for entry in result["history"]:
        names = ", ".join(d["task_id"] for d in entry["demonstrations"]) or "pre-trained"
        print(f"  round {entry['round']}: {rate([entry['evaluation']])}  after {names}")
    print(f"  {'task':24s} {'pre-trained on':>14s} {'demonstrated':>12s}   before -> after")
    for task_id, then in before["tasks"].items():
        now, known = after["tasks"][task_id], config.demonstrations.get(task_id, 0)
        counts = f"{then['successes']}/{then['episodes']} -> {now['successes']}/{now['episodes']}"
        print(f"  {task_id:24s} {known:14d} {chosen.count(task_id):12d}   {counts}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=["amf", "uniform"])
    parser.add_argument("--seeds", type=int, default=3, help="how many, from --first-seed")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--demonstrations", type=int, default=12, help="per run")
    parser.add_argument("--batch", type=int, default=3, help="demonstrations per round")
    parser.add_argument("--episodes", type=int, default=5, help="per task before and after")
    parser.add_argument("--between", type=int, default=1, help="per task after the other rounds")
    parser.add_argument("--pretraining", default="pretrain", help="name in config/experiments, or a path")
    parser.add_argument("--json", action="store_true", help="all summaries on the last line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        results = [result for seed in seeds for result in run_seed(seed, args, Path(folder))]
    print(f"\n{args.demonstrations} demonstrations, {args.seeds} seeds")
    for strategy in args.strategies:
        own = [result for result in results if result["strategy"] == strategy]
        before, after = ([r[key] for r in own] for key in ("success_before", "success_after"))
        print(f"  {strategy:16s} {rate(before)} -> {rate(after)}")
    if args.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
