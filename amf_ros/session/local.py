"""The session in one process, without ROS: the same suite, policy and strategy objects, the same calls.

    result = run_local(Plan(num_rounds=4), Path("runs/pretrained/pretrained"), Path("runs/local"))

Equal plans and checkpoints give the same task sequence here and over the ROS graph.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from amf_ros.config import SelectionConfig, TrainingConfig
from amf_ros.data.rollouts import RolloutStore
from amf_ros.data.run_directory import RunDirectory
from amf_ros.errors import Cancelled
from amf_ros.registry import load as load_registered
from amf_ros.selection.base import Selection, Strategy
from amf_ros.session.base import Episode, Note, State, Tuning
from amf_ros.session.journal import Journal
from amf_ros.session.local_store import LocalStore
from amf_ros.session.loop import Result, run
from amf_ros.session.plan import Plan, resolve
from amf_ros.tasks.loading import load_suite
from amf_ros.training.checkpoints import Checkpoint, check_fits, list_checkpoints, load, save
from amf_ros.training.cloning import Progress
from amf_ros.training.environment import Environment, make_environment
from amf_ros.training.problem import build_problem, evaluations_of
from amf_ros.training.rollouts import demonstrate, run_policy
from amf_ros.training.tuning import tune
from amf_ros.types import CheckpointInfo


class LocalWorker:
    """Does a session's steps with one environment; implements :class:`amf_ros.session.base.Worker`."""

    def __init__(
        self,
        plan: Plan,
        environment: Environment,
        pretrained: Path | str,
        directory: RunDirectory,
        selection: SelectionConfig | None = None,
        training: TrainingConfig | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """``pretrained`` is the checkpoint to start from, a path or ``file://`` URI; it is copied."""
        self._plan, self._environment, self._pretrained = plan, environment, pretrained
        self._directory, self._should_stop = directory, should_stop
        self._selection, self._training = selection or SelectionConfig(), training or TrainingConfig()
        self._demonstrations = LocalStore(directory.demonstrations)
        self._rollouts = RolloutStore(directory.rollouts)
        self._loaded: Checkpoint | None = None

    def checkpoint(self) -> CheckpointInfo:
        """Copy the pre-trained checkpoint into the run.

        Raises:
            CheckpointError: it is unreadable, or made for another contract or suite.
        """
        source = load(self._pretrained)
        check_fits(source, self._environment.interface, self._environment.suite)
        info = source.info
        return save(
            self._directory.checkpoints,
            info.id,
            source.policy,
            round=info.round,
            num_demonstrations=info.num_demonstrations,
            coverage=source.coverage,
            pretraining=source.pretraining,
            stamp_ns=info.stamp_ns,
        )

    def select(self, num_tasks: int, seed: int) -> Selection:
        """Ask the plan's strategy about the newest checkpoint and all that is stored."""
        newest = max(list_checkpoints(self._directory.checkpoints), key=lambda info: info.round)
        rollouts = self._rollouts.all()
        problem = build_problem(
            self._environment.suite,
            self._load(newest),
            self._demonstrations.usable(),
            rollouts,
            evaluations_of(rollouts, newest.id),
            candidates=self._plan.candidates,
            targets=self._plan.targets,
            num_tasks=num_tasks,
            seed=seed,
            config=self._selection,
        )
        strategy: Strategy = load_registered("strategy", self._plan.strategy)(self._selection)
        return strategy.select(problem)

    def demonstrate(self, task_id: str, demonstration_id: str, seed: int) -> Episode:
        """Let the suite's scripted expert do it once."""
        demo = self._demonstrations.find(demonstration_id)
        if demo is None:
            demo = demonstrate(self._environment, task_id, seed, demonstration_id)
            self._demonstrations.save(demo)
        return Episode(demo.outcome, demo.num_steps, demo.duration_s)

    def fine_tune(self, initial: CheckpointInfo, round: int, num_steps: int, seed: int, note: Note) -> Tuning:
        """Clone all usable demonstrations. Raises Cancelled where ``should_stop`` ended it early."""

        def progress(now: Progress) -> None:
            note(f"step {now.step}/{now.num_steps}, loss {now.loss:.4f}")

        tuned = tune(
            self._load(initial),
            self._demonstrations.usable(),
            self._environment.suite,
            self._training,
            self._directory.checkpoints,
            round=round,
            seed=seed,
            num_steps=num_steps,
            progress=progress,
            should_stop=self._should_stop,
        )
        if not tuned.finished:
            raise Cancelled(f"fine-tuning of round {round} was stopped; run the session again to do it over")
        return Tuning(tuned.checkpoint, tuned.loss)

    def rollout(self, checkpoint: CheckpointInfo, task_id: str, rollout_id: str, seed: int) -> Episode:
        """Run the policy once and keep what it visited."""
        policy = self._load(checkpoint).policy
        made = run_policy(self._environment, policy, task_id, seed, rollout_id, checkpoint.id)
        self._rollouts.save(made)
        return Episode(made.outcome, made.num_steps, made.num_steps / self._environment.interface.fps)

    def _load(self, info: CheckpointInfo) -> Checkpoint:
        if self._loaded is None or self._loaded.info != info:
            self._loaded = load(info.uri)
        return self._loaded


def run_local(
    plan: Plan,
    pretrained: Path | str,
    out: Path,
    contract: str = "panda_tabletop",
    selection: SelectionConfig | None = None,
    training: TrainingConfig | None = None,
    report: Callable[[State], None] = lambda state: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Run a whole session of a simulated suite in this process, in ``out``; run again to continue.

    Args:
        plan: what to do; empty candidates and targets mean the whole suite.
        pretrained: checkpoint directory to start from.
        out: the run's directory.
        contract: name or path; a suite with its own simulator uses none.
        selection: how to choose; its ``strategy`` is the plan's.
        training: how to fine-tune.
        report: called before, while and after each step.
        should_stop: asked between steps and gradient steps.

    Raises:
        AmfError: see :func:`amf_ros.session.loop.run`.
    """
    suite = load_suite(plan.suite)
    plan = resolve(plan, [task.id for task in suite.tasks])
    directory = RunDirectory(out)
    with closing(make_environment(suite, contract)) as environment, Journal(directory.database) as journal:
        worker = LocalWorker(plan, environment, pretrained, directory, selection, training, should_stop)
        return run(plan, worker, journal, report, should_stop)
