"""Runs Algorithm 1 of arXiv 2410.05026: select, demonstrate, fine-tune, evaluate, again.

    result = run(plan, worker, journal, report=lambda state: print(state.detail))

It is the same in one process and over ROS. Every step has a key in the journal and arguments that follow
from the plan alone, so a session that was killed anywhere and run again makes the same sequence as one that
was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from amf_ros.core.errors import Cancelled, ConfigError, DataError
from amf_ros.core.plugins import load
from amf_ros.core.values import CheckpointInfo, Outcome
from amf_ros.session.base import EpisodeResult, Phase, State, Worker
from amf_ros.session.journal import Journal
from amf_ros.session.plan import MAX_ATTEMPTS, Plan, derive_seed
from amf_ros.session.strategy_answers import check_answer, finite, plain
from amf_ros.store.files import file_part

__all__ = ["MAX_ATTEMPTS", "Result", "audit_episodes", "run"]


@dataclass(frozen=True)
class Result:
    """Says what a session reached.

    Attributes:
        demonstrations: task ids, in the order demonstrated.
        evaluations: target task -> (episodes, successes) of ``checkpoint``; empty without evaluation.
        stopped_early: the plan's ``stop_early`` ended it before its last round.
        missed: task ids whose demonstration failed in all attempts; the session went on without.
    """

    rounds_completed: int
    checkpoint: CheckpointInfo
    demonstrations: tuple[str, ...]
    evaluations: Mapping[str, tuple[int, int]]
    stopped_early: bool = False
    missed: tuple[str, ...] = ()


def run(
    plan: Plan,
    worker: Worker,
    journal: Journal,
    report: Callable[[State], None] = lambda state: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Run a session to its end, continuing what the journal holds.

    Args:
        worker: does the steps.
        journal: open for writing, of this session alone.
        plan: with candidates and targets written out (:func:`amf_ros.session.plan.resolve`).
        report: called before and after each step that is made, and while it goes on; its ``phase`` says
            which part failed when an error comes out.
        should_stop: asked between steps.

    Raises:
        PlanChanged: the journal belongs to another plan.
        UnknownName: no such strategy.
        ConfigError: the strategy's ``audit_episodes`` are no number of episodes.
        Cancelled: ``should_stop`` said so, or the worker was stopped.
        AmfError: whatever a step raised; run again to continue from there.
    """
    audit = audit_episodes(plan.strategy)
    journal.begin(plan)
    return _Session(plan, worker, journal, report, should_stop).run(audit)


def audit_episodes(strategy: str) -> int:
    """Return how many episodes per task a strategy wants to see before it is asked for the first time.

    Its class says so in ``audit_episodes``; without that attribute, one if it needs states, else none.

    Raises:
        UnknownName: no such strategy.
        ConfigError: what the class says is no number of episodes.
    """
    made = load("strategy", strategy)
    wanted = getattr(made, "audit_episodes", 1 if made.needs_states else 0)
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise ConfigError(
            f"strategy {strategy!r}: audit_episodes is {wanted!r}; give a whole number, 0 or more, "
            "or leave it out"
        )
    return max(wanted, 1) if made.needs_states else wanted


class _Session:
    def __init__(
        self,
        plan: Plan,
        worker: Worker,
        journal: Journal,
        report: Callable[[State], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._plan, self._worker, self._journal = plan, worker, journal
        self._report, self._should_stop = report, should_stop
        self._state = State(Phase.IDLE, 0, plan.num_rounds)
        self._first_round = 0
        self._kept: list[str] = []
        self._missed: list[str] = []

    def run(self, audit: int) -> Result:
        plan, done, stopped = self._plan, 0, False
        checkpoint = self._start()
        evaluations = self._evaluate(checkpoint, self._first_episodes(audit))
        while done < plan.num_rounds and not stopped:
            self._state = replace(self._state, round=done + 1)
            batch, worthwhile = self._select()
            stopped = plan.stop_early and not worthwhile
            if stopped:
                # The last evaluation of a session has more episodes than those on the way to it.
                self._state = replace(self._state, round=done)
                episodes = max(plan.episodes(done), plan.episodes(plan.num_rounds))
            else:
                for index, (task_id, reason) in enumerate(batch):
                    self._demonstrate(index, task_id, reason)
                if self._kept:
                    checkpoint = self._fine_tune(checkpoint)
                done += 1
                episodes = plan.episodes(done)
            evaluations = self._evaluate(checkpoint, dict.fromkeys(plan.targets, episodes))
        targets = {task_id: evaluations[task_id] for task_id in plan.targets if evaluations[task_id][0]}
        why = ", another demonstration is not worth it" if stopped else ""
        self._tell(Phase.IDLE, detail=f"done: {done} rounds{why}{_so_far(targets)}")
        return Result(done, checkpoint, tuple(self._kept), targets, stopped, tuple(self._missed))

    def _start(self) -> CheckpointInfo:
        value, _ = self._step("r000/checkpoint", Phase.IDLE, lambda: asdict(self._worker.checkpoint()))
        checkpoint = CheckpointInfo(**value)
        self._state = replace(self._state, checkpoint=checkpoint)
        self._first_round = checkpoint.round  # a session that starts from a tuned policy must not replace it
        return checkpoint

    def _first_episodes(self, audit: int) -> dict[str, int]:
        """Count the episodes before the first round: at least ``audit`` of each candidate and target."""
        plan = self._plan
        episodes = dict.fromkeys(plan.targets, plan.episodes(0))
        if audit:
            for task_id in (*plan.targets, *plan.candidates):
                episodes[task_id] = max(audit, episodes.get(task_id, 0))
        return episodes

    def _select(self) -> tuple[list[tuple[str, str]], bool]:
        """Return the round's batch, task ids with the reason for each, and whether they are worth it."""
        plan, number = self._plan, self._state.round

        def step() -> dict[str, Any]:
            seed = derive_seed(plan.seed, "select", number)
            selection = self._worker.select(plan.demonstrations_per_round, seed)
            check_answer(selection, plan)
            return plain(selection)

        detail = f"asking {plan.strategy!r} for the next task"
        value, fresh = self._step(f"r{number:03d}/select", Phase.SELECTING, step, detail=detail)
        worthwhile = value.get("worthwhile", True)  # journals older than the stopping rule do not say
        if fresh:
            note = "" if worthwhile else "; another demonstration is not expected to be worth it"
            self._tell(Phase.SELECTING, detail=value["reason"] + note)
        reasons = {score["task_id"]: score["reason"] for score in value["scores"]}
        return [(task_id, reasons.get(task_id, "")) for task_id in value["task_ids"]], worthwhile

    def _demonstrate(self, index: int, task_id: str, reason: str) -> None:
        """Ask for demonstrations until one is no failure; the n-th of a task always has the same seed."""
        number, plan = self._state.round, self._plan
        # One that was missed counts too: asked for again, the task has other starts.
        count = self._kept.count(task_id) + self._missed.count(task_id)
        failures = attempt = 0
        while True:
            name = f"r{number:03d}_i{index}_a{attempt}_{file_part(task_id)}"
            seed = derive_seed(plan.seed, "demonstration", task_id, count, attempt)
            episode, fresh = self._episode(
                f"r{number:03d}/i{index}/a{attempt}",
                Phase.DEMONSTRATING,
                {"id": name, "task_id": task_id, "seed": seed},
                partial(self._worker.demonstrate, task_id, name, seed),
                reason,
            )
            if fresh:
                ended = f"{episode.outcome.name.lower()} after {episode.num_steps} steps"
                self._tell(Phase.DEMONSTRATING, task_id, ended)
            if episode.outcome != Outcome.FAILURE:
                self._kept.append(task_id)
                return
            # Attempts of an earlier run do not count: running again is how a person asks for more of them.
            failures += fresh
            attempt += 1
            if plan.go_on and attempt == plan.attempts:
                self._missed.append(task_id)
                self._tell(Phase.DEMONSTRATING, task_id, f"failed {attempt} times; going on without it")
                return
            if not plan.go_on and failures == plan.attempts:
                raise DataError(
                    f"demonstrating {task_id!r} failed {plan.attempts} times in a row (last: {name}, seed "
                    f"{seed}); look at the recordings, then run the session again to try further starts"
                )

    def _fine_tune(self, initial: CheckpointInfo) -> CheckpointInfo:
        plan, number = self._plan, self._state.round

        def note(detail: str) -> None:
            self._tell(Phase.FINE_TUNING, detail=detail)

        def step() -> dict[str, Any]:
            seed = derive_seed(plan.seed, "fine_tune", number)
            tuning = self._worker.fine_tune(
                initial, self._first_round + number, plan.fine_tune_steps, seed, note
            )
            return {"checkpoint": asdict(tuning.checkpoint), "loss": finite(tuning.loss)}

        detail = f"training on {len(self._kept)} demonstrations"
        value, _ = self._step(f"r{number:03d}/fine_tune", Phase.FINE_TUNING, step, detail=detail)
        checkpoint = CheckpointInfo(**value["checkpoint"])
        self._state = replace(self._state, checkpoint=checkpoint)
        return checkpoint

    def _evaluate(
        self, checkpoint: CheckpointInfo, episodes: Mapping[str, int]
    ) -> dict[str, tuple[int, int]]:
        """Run the policy on paired starts: the seeds are the same in every round and for every strategy."""
        counts, made = dict.fromkeys(episodes, (0, 0)), False
        for task_id, wanted in episodes.items():
            for number in range(wanted):
                name = f"{checkpoint.id}_e{number:02d}_{file_part(task_id)}"
                seed = derive_seed(self._plan.seed, "evaluation", task_id, number)
                episode, fresh = self._episode(
                    f"r{self._state.round:03d}/evaluate/{task_id}/e{number:02d}",
                    Phase.EVALUATING,
                    {"id": name, "task_id": task_id, "seed": seed, "checkpoint_id": checkpoint.id},
                    partial(self._worker.rollout, checkpoint, task_id, name, seed),
                    f"episode {number + 1} of {wanted}{_so_far(counts)}",
                )
                tried, done = counts[task_id]
                counts[task_id] = (tried + 1, done + (episode.outcome == Outcome.SUCCESS))
                made = made or fresh
        if made:
            self._tell(Phase.EVALUATING, detail=f"all episodes done{_so_far(counts)}")
        return counts

    def _episode(
        self, key: str, phase: Phase, about: Mapping[str, Any], make: Callable[[], EpisodeResult], detail: str
    ) -> tuple[EpisodeResult, bool]:
        """Make a step that is one demonstration or roll-out, and store it with what was asked for."""

        def step() -> dict[str, Any]:
            made = make()
            ended = {"outcome": int(made.outcome), "num_steps": made.num_steps, "duration_s": made.duration_s}
            return {**about, **ended}

        value, fresh = self._step(key, phase, step, about["task_id"], detail)
        return EpisodeResult(Outcome(value["outcome"]), value["num_steps"], value["duration_s"]), fresh

    def _step(
        self, key: str, phase: Phase, step: Callable[[], Any], task_id: str = "", detail: str = ""
    ) -> tuple[Any, bool]:
        """Return the value of a journalled step, and whether it was made just now."""
        fresh = self._journal.get(key) is None
        if fresh:
            if self._should_stop():
                raise Cancelled(
                    f"the session was stopped before step {key!r}; run it again to continue there"
                )
            self._tell(phase, task_id, detail)
        return self._journal.once(key, step, phase.name.lower(), self._state.round), fresh

    def _tell(self, phase: Phase, task_id: str = "", detail: str = "") -> None:
        self._state = replace(self._state, phase=phase, task_id=task_id, detail=detail)
        self._report(self._state)


def _so_far(counts: Mapping[str, tuple[int, int]]) -> str:
    tried, done = (sum(column) for column in zip(*counts.values())) if counts else (0, 0)
    return f", success {done}/{tried}" if tried else ""
