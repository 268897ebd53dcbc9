"""AMF-GP on twelve goals of a point in the plane: demonstrations to 95% of the expert's return.

    python benchmarks/integrator.py [--seeds 10] [--known 1 2 ... 12] [--strategies amf_gp uniform] [--quick]

The policy is a Gaussian process (amf_ros/policies/gp.py) with given lengthscales. It is pre-trained on 15
demonstrations of the --known first tasks of an order that the seed draws, each as often as the others or
once more; then one demonstration after another is chosen, given and learned. Return is minus the sum of
distances to the goal, averaged over tasks and starts: the expert's is 1, standing still 0. All strategies of
a seed share pre-training and starts; no strategy sees the evaluation. amf_gp_proposals, which is slow, may
choose any goal in the square around the circle, not only the twelve. With --targets only some tasks matter,
drawn by the seed: return is averaged over them, and all twelve may be demonstrated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from amf_ros.contract import ObservationLayout
from amf_ros.core.config import GpConfig, KernelConfig, SelectionConfig, TrainingConfig
from amf_ros.core.frames import Frames
from amf_ros.core.plugins import load
from amf_ros.core.values import Array, CheckpointInfo, Demonstration, Outcome, Rollout, Source
from amf_ros.knowledge.parametric_tasks import propose_task
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.batches import make_steps
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.policies.base import F32, PolicySpec
from amf_ros.policies.gp import GpPolicy
from amf_ros.selection.base import Problem
from amf_ros.sweep.jobs import run
from amf_ros.sweep.plots import plot_curves
from amf_ros.sweep.script import finish, guarded, how, options, parse
from amf_ros.sweep.statistics import Curves, collect, difference, mean
from amf_ros.sweep.tables import markdown, show
from amf_ros.tasks import integrator
from amf_ros.tasks.integrator import NUM_STEPS, IntegratorSuite

STRATEGIES = (
    "amf_gp",
    "uniform",
    "round_robin",
    "rebalancing",
    "least_demonstrated",
    "uncertainty_gp",
    "largest_loss",
    "lowest_success",
    "audit_then_count",
)
PRETRAINING = 15  # demonstrations
AUDITS, STARTS = 4, 10  # episodes per task: that strategies see, and that the return is measured on
LEVELS = (0.8, 0.95)  # of the expert's return
SHOWN = (3, 6, 9, 12)  # settings with a panel of their own
TRAINING = TrainingConfig(
    chunk=1, gp=GpConfig(state_lengthscale=1.0, task_lengthscale=0.5, noise_variance=1e-3)
)
# Rows are in units of the policy's lengthscales already.
SELECTION = SelectionConfig(uncertainty="inputs", states_per_trajectory=8, kernel=KernelConfig())
SUITE = IntegratorSuite()
IDS = tuple(task.id for task in SUITE.tasks)
GOALS = np.array([SUITE.embedding(task_id) for task_id in IDS])  # (12, 2)
SPEC = PolicySpec(
    ObservationLayout.of_vector(SUITE.observation_names),
    SUITE.action_names,
    SUITE.embedding_names,
    "integrator",
    SUITE.fps,
    1,
)


def demonstrate(goal: Array, seed: int, name: str, task_id: str) -> Demonstration:
    """What the expert does from the start of ``seed``."""
    path = integrator.roll_out(integrator.expert, integrator.start(seed)[None], goal[None])[0, :-1]
    stamps = (np.arange(NUM_STEPS) * 1e9 / SUITE.fps).astype(np.int64)
    actions = integrator.expert(path, goal)
    return Demonstration(
        name, task_id, Frames.of_vectors(path), actions, stamps, Outcome.SUCCESS, Source.SCRIPTED_EXPERT
    )


def roll_out(policy: GpPolicy, goals: Array, starts: Array) -> Array:
    """Many episodes at once from ``starts`` (n, 2): positions (n, NUM_STEPS + 1, 2)."""

    def act(positions: Array, goals: Array) -> Array:
        return policy.infer(Frames.of_vectors(positions).float32(), goals.astype(np.float32))[:, 0]

    return integrator.roll_out(act, starts, goals)


class Run:
    """One session: a seed, a number of known tasks, a strategy."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        rng = np.random.default_rng([job["seed"], 1])
        known = rng.permutation(len(IDS))[: job["known"]]
        starts = iter(rng.integers(2**31, size=20_000).tolist())
        shown = [IDS[known[i % len(known)]] for i in range(PRETRAINING)]
        first = [
            demonstrate(SUITE.embedding(key), next(starts), f"pre_{i}", key) for i, key in enumerate(shown)
        ]
        steps = make_steps(first, SUITE.embedding, 1)
        self.base = self.policy = GpPolicy.create(SPEC, steps, TRAINING, seed=0)
        self.base.fit(steps, TRAINING)
        self.counts = {key: shown.count(key) for key in IDS}
        self.starts = starts
        wanted = np.random.default_rng([job["seed"], 3]).permutation(len(IDS))[: job.get("targets")]
        self.targets = [IDS[row] for row in sorted(wanted.tolist())]
        self.tasks = np.repeat(np.sort(wanted), STARTS)
        self.evaluation = np.array([integrator.start(next(starts)) for _ in self.tasks])
        self.audited = np.repeat(np.arange(len(IDS)), AUDITS)
        self.seed, self.proposing = job["seed"], job["strategy"].endswith("_proposals")
        self.chooser = load("strategy", job["strategy"].removesuffix("_proposals"))(SELECTION)
        self.builder = ProblemBuilder(SUITE, SELECTION)
        self.demonstrations: list[Demonstration] = []
        self.goals: dict[str, Array] = {key: SUITE.embedding(key) for key in IDS}
        self.audit: list[Rollout] = []

    def measured(self) -> tuple[float, float]:
        """Return and success rate of the present policy."""
        goals = GOALS[self.tasks]
        paths = roll_out(self.policy, goals, self.evaluation)
        nearest = np.linalg.norm(paths[:, 1:] - goals[:, None], axis=2).min(axis=1)
        success = float((nearest < integrator.TOLERANCE).mean())
        return float(integrator.normalised_return(paths, goals).mean()), success

    def visited(self, number: int) -> list[Rollout]:
        """Roll-outs of the present policy that strategies may see, of round ``number``."""
        starts = np.array([integrator.start(next(self.starts)) for _ in self.audited])
        goals = GOALS[self.audited]
        paths = roll_out(self.policy, goals, starts)
        nearest = np.linalg.norm(paths[:, 1:] - goals[:, None], axis=2).min(axis=1)
        outcomes = [Outcome.SUCCESS if near < integrator.TOLERANCE else Outcome.FAILURE for near in nearest]
        return [
            Rollout(
                f"r{number:02d}_{i:02d}",
                IDS[task],
                Frames.of_vectors(path[:-1]),
                outcome,
                checkpoint_id(number),
                NUM_STEPS,
            )
            for i, (task, path, outcome) in enumerate(zip(self.audited, paths, outcomes))
        ]

    def choose(self, number: int) -> tuple[str, Array]:
        """The next task's id and goal."""
        seen = self.visited(number)
        self.audit = self.audit or seen
        info = CheckpointInfo(checkpoint_id(number), "", "gp", number, number)
        listed = [demo for demo in self.demonstrations if demo.task_id in IDS]
        tried = {key: [r for r in seen if r.task_id == key] for key in IDS}
        problem = self.builder.build(
            Checkpoint(info, self.policy, {}, self.counts),
            listed,
            [*self.audit, *(seen if number else [])],
            {key: (len(own), sum(r.outcome is Outcome.SUCCESS for r in own)) for key, own in tried.items()},
            targets=self.targets,
            seed=1000 * self.seed + number,
            first_checkpoint_id=checkpoint_id(0),
        )
        if not self.proposing:
            key = self.chooser.select(problem).task_ids[0]
            return key, SUITE.embedding(key)
        return f"proposal_{number:02d}", self.propose(problem, number)

    def propose(self, problem: Problem, number: int) -> Array:
        """A goal of its own: what was proposed before stands in the problem as rows of no listed task."""
        own = [self.rows(demo) for demo in self.demonstrations]
        problem = replace(problem, demonstrated=np.concatenate([problem.demonstrated, *own]))
        return propose_task(
            SUITE, self.chooser, problem, self.policy, self.expected, number, population=8, generations=10
        ).parameters

    def expected(self, goals: Array) -> Array:
        """Roll-outs of the present policy to goals (m, 2) from the middle: (m, n, 2)."""
        paths = roll_out(self.policy, goals, np.zeros((len(goals), 2)))
        return evenly(paths.swapaxes(0, 1)[:-1]).swapaxes(0, 1)

    def rows(self, demo: Demonstration) -> F32:
        """What a demonstration adds to D."""
        states = Frames.of_vectors(evenly(demo.observations.flat())).float32()
        return self.policy.embed(
            states, np.tile(self.goals[demo.task_id], (len(states), 1)).astype(np.float32)
        )

    def learn(self, number: int) -> float:
        """Choose, demonstrate, learn; seconds that the choice took."""
        started = time.perf_counter()
        key, goal = self.choose(number)
        seconds = time.perf_counter() - started
        self.goals[key] = goal
        # The start depends on the round alone: strategies of a seed differ in the goal only.
        start = int(np.random.default_rng([self.seed, 2, number]).integers(2**31))
        self.demonstrations.append(demonstrate(goal, start, f"demo_{number:02d}", key))
        steps = make_steps(self.demonstrations, self.goals.__getitem__, 1)
        self.policy = self.base.fine_tunable(steps, TRAINING)
        self.policy.fit(steps, TRAINING)
        return seconds


def evenly(states: Array) -> Array:
    """As many states (n, ...) as stand for a trajectory."""
    rows = np.linspace(0, len(states) - 1, SELECTION.states_per_trajectory).round().astype(int)
    picked: Array = states[rows]
    return picked


def checkpoint_id(number: int) -> str:
    """Of the policy after ``number`` demonstrations; the first is the pre-trained one."""
    return f"round_{number:04d}"


def work(job: dict[str, Any]) -> dict[str, Any]:
    """One run: curves over demonstrations 0 ... ``job["demonstrations"]``, and what was chosen."""
    session = Run(job)
    measured, seconds = [session.measured()], []
    for number in range(job["demonstrations"]):
        seconds.append(session.learn(number))
        measured.append(session.measured())
    returns, successes = zip(*measured)
    return {
        "demonstrations": list(range(len(returns))),
        "return": returns,
        "success": successes,
        "chosen": [[demo.task_id, session.goals[demo.task_id].tolist()] for demo in session.demonstrations],
        "choice_s": float(np.median(seconds)),
    }


def needed(curves: Curves, level: float) -> Array:
    """Demonstrations to a level of return, (n_seeds,); one more than there were where it is never reached."""
    reached = curves.y >= level
    counted = np.where(reached.any(axis=1), reached.argmax(axis=1), len(curves.x))
    return counted.astype(np.float64)


def over_known(
    panels: Mapping[int, Mapping[str, Curves]], measure: Callable[[Curves], Array]
) -> dict[str, Curves]:
    """Per strategy a curve over the number of known tasks, of ``measure`` of the curves there."""
    known = sorted(panels)
    names = [name for name in panels[known[0]] if all(name in panels[number] for number in known)]
    every = [set(panels[number][name].seeds) for number in known for name in names]
    seeds = sorted(set.intersection(*every))
    values = {
        name: [measure(panels[number][name].of(seeds)) for number in known] for name in names
    }  # (known, n_seeds)
    return {
        name: Curves(np.array(known, dtype=np.float64), tuple(seeds), np.stack(own, axis=1))
        for name, own in values.items()
    }


def averaged(panels: Mapping[int, Mapping[str, Curves]]) -> dict[str, Curves]:
    """Per strategy the mean curve over the settings of each seed."""
    first = next(iter(panels.values()))
    return {
        name: Curves(
            own.x, own.seeds, np.mean([panel[name].of(own.seeds).y for panel in panels.values()], axis=0)
        )
        for name, own in first.items()
        if all(name in panel for panel in panels.values())
    }


def table(
    found: Mapping[str, Curves], reference: str, spec: str, largest: bool = False
) -> tuple[list[str], list[list[str]]]:
    """A value by known tasks, and its mean over all but the last beside the reference's, paired by seed."""
    levels = found[reference].x
    some = slice(None) if levels[-1] < len(IDS) or len(levels) == 1 else slice(None, -1)
    columns = ["strategy", *(f"{level:.0f}" for level in levels), "mismatched", f"- {reference}", "p"]
    cells = []
    means = {name: own.y[:, some].mean(axis=1) for name, own in found.items()}
    for name in sorted(means, key=lambda name: float(means[name].mean()), reverse=largest):
        beside = difference(means[name], means[reference])
        change = ["–", "–"] if name == reference else [f"{beside.estimate:+{spec}}", f"{beside.p:.3f}"]
        own = [f"{value:{spec}}" for value in found[name].y.mean(axis=0)]
        cells.append([name, *own, f"{mean(means[name]):{spec}}", *change])
    return columns, cells


def jobs_of(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Plain data, one run each."""
    fixed = {"demonstrations": args.demonstrations} | ({"targets": args.targets} if args.targets else {})
    return [
        {"strategy": name, "known": known, "seed": args.first_seed + seed, **fixed}
        for seed in range(args.seeds)
        for known in args.known
        for name in args.strategies
    ]


def main() -> int:
    parser = options(__doc__, strategies=STRATEGIES, seeds=10)
    parser.set_defaults(reference="amf_gp")
    parser.add_argument("--known", type=int, nargs="+", default=list(range(1, 13)), help="of the 12 tasks")
    parser.add_argument("--demonstrations", type=int, default=20, help="default: %(default)s")
    parser.add_argument(
        "--targets", type=int, default=0, help="tasks that matter, drawn by the seed (default: all)"
    )
    args = parse(parser)
    if args.quick:
        args.seeds, args.known, args.demonstrations = min(args.seeds, 2), args.known[-2:], 3
    jobs = jobs_of(args)
    rows = [_named(row) for row in run("integrator", work, jobs, args.out, **how(args))]
    panels = {
        title_of(level): collect([row for row in rows if row["job"]["known"] == level], y="return")
        for level in args.known
    }
    tables = tables_of(panels, args.reference)
    if args.plot:
        plot_curves(args.out / "integrator_known.png", measures_of(panels), "tasks in pre-training", "")
    if not args.json:
        for title, (columns, cells) in tables.items():
            show(title, columns, cells)
    shown = shown_of(panels)
    extra = {title: markdown(*both).splitlines() for title, both in tables.items()}
    return finish(
        args,
        "integrator",
        rows,
        jobs,
        shown,
        y="return",
        levels=dict.fromkeys(shown, LEVELS[-1]),
        extra={**extra, "choice_ms": choice_ms(rows)},
        recorded=panels,
    )


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Add the name of its setting to a run, as runs of sessions have it."""
    return {**row, "job": {**row["job"], "setting": {"name": title_of(row["job"]["known"])}}}


def title_of(known: int) -> str:
    """Name the setting with so many known tasks."""
    return f"{known} of {len(IDS)} known"


def shown_of(panels: Mapping[str, Mapping[str, Curves]]) -> dict[str, Mapping[str, Curves]]:
    """Pick the settings that are shown, and average over all that lack a task."""
    every = _by_known(panels)
    mismatched = {known: own for known, own in every.items() if known < len(IDS)} or every
    shown = {title_of(known): own for known, own in every.items() if known in SHOWN}
    return {**shown, f"mean over {min(mismatched)} to {max(mismatched)} known": averaged(mismatched)}


def measures_of(panels: Mapping[str, Mapping[str, Curves]]) -> dict[str, dict[str, Curves]]:
    """Return, per measure and strategy, a curve over the number of known tasks."""
    every = _by_known(panels)
    found = {
        f"demonstrations to {level:.0%} of the expert's return": over_known(
            every, partial(needed, level=level)
        )
        for level in LEVELS
    }
    found["area under the curve"] = over_known(every, lambda curves: curves.area)
    return found


def tables_of(
    panels: Mapping[str, Mapping[str, Curves]], reference: str
) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return the table of each measure."""
    return {
        title: table(found, reference, ".3f" if "area" in title else ".1f", "area" in title)
        for title, found in measures_of(panels).items()
    }


def _by_known(panels: Mapping[str, Mapping[str, Curves]]) -> dict[int, Mapping[str, Curves]]:
    return {int(title.split()[0]): own for title, own in panels.items()}


def choice_ms(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Median time that a choice took, with making the question, by strategy [ms]."""
    taken: dict[str, list[float]] = {}
    for row in rows:
        taken.setdefault(row["job"]["strategy"], []).append(1e3 * row["result"]["choice_s"])
    return {name: round(float(np.median(those)), 1) for name, those in taken.items()}


if __name__ == "__main__":
    sys.exit(guarded(main))
