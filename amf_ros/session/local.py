"""Runs a session in one process, without ROS: the same suite, policy and strategy objects, the same calls.

    result = run_local(Plan(num_rounds=4), Path("runs/pretrained/pretrained"), Path("runs/local"))

Equal plans and checkpoints give the same task sequence here and over the ROS graph. The suite may be of
either kind: with a scene for a robot, or with its own simulator.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from amf_ros.core.config import SelectionConfig, TrainingConfig
from amf_ros.core.defaults import CONTRACT
from amf_ros.core.errors import Cancelled, CheckpointExists
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.values import CheckpointInfo, Rollout
from amf_ros.knowledge.evaluations import evaluations_of
from amf_ros.knowledge.problem import ProblemBuilder
from amf_ros.learning.checkpoint_fit import check_fits
from amf_ros.learning.checkpoints import Checkpoint, load
from amf_ros.learning.cloning import Progress, check_device
from amf_ros.learning.fine_tuning import Start, tune
from amf_ros.policies.base import Policy
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import Environment, make_environment
from amf_ros.selection.base import Selection, Strategy
from amf_ros.session.base import EpisodeResult, Note, State, Tuning
from amf_ros.session.journal import Journal
from amf_ros.session.loop import Result, run
from amf_ros.session.plan import Plan, resolve
from amf_ros.session.stores import KeptEpisode, Stores, file_stores
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.loading import allowed_policies, load_suite

Episodes = MutableMapping[tuple[CheckpointInfo, str, int], Rollout]
"""Episodes of the checkpoint that sessions start from, by (checkpoint, task, seed): made once, shared."""


class LocalWorker:
    """Does a session's steps with one environment; implements :class:`amf_ros.session.base.Worker`."""

    def __init__(
        self,
        plan: Plan,
        environment: Environment,
        pretrained: Path | str | Checkpoint,
        stores: Stores,
        selection: SelectionConfig | None = None,
        training: TrainingConfig | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        start: Start = "pretrained",
        episodes: Episodes | None = None,
    ) -> None:
        """Prepare to work; see :func:`run_local` and :func:`amf_ros.session.memory.run_in_memory`.

        Args:
            plan: with candidates and targets written out.
            environment: of the plan's suite; stays open.
            pretrained: the checkpoint to start from, or its path or ``file://`` URI; it is copied.
            stores: what is made is kept there.
            selection: how to choose; its ``strategy`` is the plan's.
            training: how to fine-tune.
            should_stop: asked between gradient steps.
            start: what each round's training begins with.
            episodes: of ``pretrained``, looked up before they are made, and added to.
        """
        self._plan, self._environment, self._pretrained = plan, environment, pretrained
        self._stores, self._should_stop, self._start = stores, should_stop, start
        self._selection, self._training = selection or SelectionConfig(), training or TrainingConfig()
        self._episodes = episodes
        self._initial: Checkpoint | None = None
        # Both keep what they have computed from one round to the next.
        self._builder = ProblemBuilder(environment.suite, self._selection)
        self._strategy: Strategy | None = None

    def checkpoint(self) -> CheckpointInfo:
        """Copy the pre-trained checkpoint into the run.

        Raises:
            CheckpointError: it is unreadable, or made for another contract or suite.
            CheckpointExists: the run has later rounds, or another checkpoint of that id.
        """
        source = self._begin_with()
        check_fits(source, self._environment.interface, self._environment.suite)
        added = self._stores.checkpoints.add(source)
        newest = self._of_last_round()
        if newest.round > added.round:
            raise CheckpointExists(
                f"this session directory holds {newest.id} already: start from it (--checkpoint), or use "
                f"a new session directory to start from {added.id}"
            )
        return added

    def select(self, num_tasks: int, seed: int) -> Selection:
        """Ask the plan's strategy about the newest checkpoint and all that is stored."""
        newest = self._of_last_round()
        kept = self._stores.kept(self._environment.interface, self._environment.suite)
        problem = self._builder.build(
            self._stores.checkpoints.get(newest),
            kept.demonstrations,
            kept.rollouts,
            evaluations_of(kept.rollouts, newest.id),
            candidates=self._plan.candidates,
            targets=self._plan.targets,
            num_tasks=num_tasks,
            seed=seed,
            attempts=kept.attempts,
            frozen=self._frozen(),
        )
        if self._strategy is None:
            self._strategy = load_registered("strategy", self._plan.strategy)(self._selection)
        return self._strategy.select(problem)

    def demonstrate(self, task_id: str, demonstration_id: str, seed: int) -> EpisodeResult:
        """Let the suite's scripted expert do the task once, and keep the demonstration."""
        kept: KeptEpisode | None = self._stores.demonstrations.find(demonstration_id)
        if kept is None:
            kept = made = demonstrate(self._environment, task_id, seed, demonstration_id)
            self._stores.demonstrations.save(made, self._environment.interface)
        return EpisodeResult(kept.outcome, kept.num_steps, kept.duration_s)

    def fine_tune(self, initial: CheckpointInfo, round: int, num_steps: int, seed: int, note: Note) -> Tuning:
        """Clone all usable demonstrations. Raises Cancelled where ``should_stop`` ended it early."""

        def progress(now: Progress) -> None:
            note(f"step {now.step}/{now.num_steps}, loss {now.loss:.4f}")

        tuned = tune(
            self._stores.checkpoints.get(initial),
            self._stores.demonstrations.all_usable(self._environment.interface, self._environment.suite),
            self._environment.suite,
            self._training,
            None,
            round=round,
            seed=seed,
            num_steps=num_steps,
            start=self._start,
            progress=progress,
            should_stop=self._should_stop,
        )
        if not tuned.finished:
            raise Cancelled(f"fine-tuning of round {round} was stopped; run the session again to do it over")
        return Tuning(self._stores.checkpoints.add(tuned.checkpoint), tuned.loss)

    def rollout(self, checkpoint: CheckpointInfo, task_id: str, rollout_id: str, seed: int) -> EpisodeResult:
        """Run the policy once and keep what it visited."""
        key = (checkpoint, task_id, seed)
        made = None if self._episodes is None else self._episodes.get(key)
        if made is None:
            ran = self._stores.checkpoints.get(checkpoint)
            made = run_policy(self._environment, ran.policy, task_id, seed, rollout_id, checkpoint.id)
            made = replace(made, fingerprint=ran.fingerprint)
            if self._episodes is not None and checkpoint.round == 0:
                self._episodes[key] = made
        self._stores.rollouts.save(replace(made, id=rollout_id))
        return EpisodeResult(made.outcome, made.num_steps, made.num_steps / self._environment.interface.fps)

    def _of_last_round(self) -> CheckpointInfo:
        # Not the newest: another computer's clock may have put the first checkpoint into the future.
        return max(self._stores.checkpoints.infos(), key=lambda info: info.round)

    def _begin_with(self) -> Checkpoint:
        if isinstance(self._pretrained, Checkpoint):
            return self._pretrained
        return load(self._pretrained, allowed_policies(self._environment.suite))

    def _frozen(self) -> Policy | None:
        """Return whose pi_0 embeds where the newest policy began from scratch and has none."""
        if self._start == "pretrained":
            return None
        if self._initial is None:
            self._initial = self._begin_with()
        return self._initial.policy


def run_local(
    plan: Plan,
    pretrained: Path | str,
    out: Path,
    contract: str = CONTRACT,
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
    check_device((training or TrainingConfig()).device)
    suite = load_suite(plan.suite)
    plan = resolve(plan, [task.id for task in suite.tasks])
    directory = RunDirectory(out)
    with closing(make_environment(suite, contract)) as environment, Journal(directory.database) as journal:
        stores = file_stores(directory, environment.interface, suite)
        worker = LocalWorker(plan, environment, pretrained, stores, selection, training, should_stop)
        return run(plan, worker, journal, report, should_stop)
