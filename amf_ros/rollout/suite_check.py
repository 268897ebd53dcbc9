"""Checks whether a suite keeps its word, before anything is learned from numbers that are wrong.

    found = examine(load_suite("my_lab.kitchen:KitchenSuite"), seeds=10)
    [finding.found for finding in found.findings if finding.severity == "wrong"]

Episodes of the scripted expert, of doing nothing, and repeated ones are compared; nothing is written. Works
on any environment, so for suites of both kinds. Imports tasks, types and this room.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from amf_ros.contract import Interface
from amf_ros.core.defaults import CONTRACT
from amf_ros.core.errors import ContractError, UnknownName
from amf_ros.core.frames import Frame, Frames
from amf_ros.core.values import Array, Demonstration, indices
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import Environment, make_environment
from amf_ros.rollout.suite_findings import Examination, Severity, SuiteFinding, TriedTask
from amf_ros.tasks.base import Suite

_EQUAL = 1e-9  # largest difference of two equal starts: rounding
_ALIKE = 1e-6  # of two equal demonstrations: rounding that a simulator has carried on
_LARGE = 20.0  # above which a number hardly is in metres or radians
_SLOW = 100.0  # steps per second below which a benchmark takes very long
_NOBODY = "no such task"


def examine(
    suite: Suite,
    contract: str = CONTRACT,
    *,
    seeds: int = 10,
    task_ids: Sequence[str] = (),
    within_s: float = float("inf"),
) -> Examination:
    """Run a suite's tasks and judge what they do.

    Args:
        suite: loaded, so its ids, names, limits, rate, bounds and embeddings are in order.
        contract: of the robot, for a suite without a simulator of its own.
        seeds: starts of each task.
        task_ids: to look at; empty = all.
        within_s: after this time no further task is begun, and that at hand is looked at less closely [s].

    Raises:
        UnknownName: no such task or contract.
        ConfigError: as :func:`amf_ros.rollout.robot_environment.make_environment`.
    """
    known = tuple(task.id for task in suite.tasks)
    indices("task", known, task_ids)
    wanted = tuple(task_ids) or known
    started = time.monotonic()
    try:
        with closing(make_environment(suite, contract)) as environment:
            other = make_environment(suite, contract)
            with closing(other):
                looks = _Looks(environment, other, seeds, started + within_s)
                for task_id in wanted:
                    if looks.tried and time.monotonic() - started > within_s:
                        break
                    looks.at(task_id)
                return Examination((*_said(suite, environment), *looks.findings()), tuple(looks.tried))
    except ContractError as error:
        return Examination((SuiteFinding("simulator", "wrong", str(error)),), ())


def _said(suite: Suite, environment: Environment) -> list[SuiteFinding]:
    """Return what loading has found in order, and what the suite answers about a task that it has not."""
    fps, interface = environment.interface.fps, environment.interface
    steps = sorted({task.num_steps(fps) for task in suite.tasks})
    sizes = (len(interface.layout.elements), len(interface.action_names), len(suite.embedding_names))
    limits = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    return [
        SuiteFinding("tasks", "ok", f"{len(suite.tasks)}, ids and embeddings all different"),
        SuiteFinding("sizes", "ok", "observation {}, action {}, embedding {}".format(*sizes)),
        SuiteFinding("limits", "ok", f"{limits} steps at {fps:g} a second"),
        _about_nobody(suite),
    ]


def _about_nobody(suite: Suite) -> SuiteFinding:
    try:
        suite.task(_NOBODY)
    except UnknownName:
        return SuiteFinding("unknown id", "ok", "refused by name")
    except (LookupError, ValueError, TypeError, StopIteration) as error:
        said = f"task({_NOBODY!r}) raises {type(error).__name__}; raise amf_ros.core.errors.UnknownName"
        return SuiteFinding("unknown id", "hint", said)
    return SuiteFinding("unknown id", "wrong", f"task({_NOBODY!r}) answers; it must raise UnknownName")


class _Looks:
    """Collects what the tasks did; ``other`` is a second simulator, with another past."""

    def __init__(self, environment: Environment, other: Environment, seeds: int, until: float) -> None:
        self._environment, self._other, self._seeds = environment, other, seeds
        self._until = until  # on the monotonic clock: then the task at hand is looked at less closely
        self.tried: list[TriedTask] = []
        self._refused: list[str] = []
        self._unequal, self._same, self._unlike = dict[str, str](), list[str](), dict[str, str]()
        self._at_once, self._idle = list[str](), list[str]()
        self._seen: list[Array] = []
        self._done: list[Array] = []
        self._spent_s, self._steps = 0.0, 0

    def at(self, task_id: str) -> None:
        """Look at one task."""
        task = self._environment.suite.task(task_id)
        tried = TriedTask(task_id, task.num_steps(self._environment.interface.fps))
        self.tried.append(tried)
        try:
            starts = [self._environment.reset(task_id, seed) for seed in range(self._seeds)]
            layout = self._environment.interface.layout
            self._seen.append(_vectors(layout.stacked(starts), self._environment.interface))
            self._do_nothing(task_id)
            shown = [self._show(tried, 0)]
            shown += [self._show(tried, seed) for seed in range(1, self._seeds) if not self._late]
            self._again(task_id, starts, shown)
        except ContractError as error:
            self._refused.append(f"{task_id}: {error}")

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._until

    def findings(self) -> list[SuiteFinding]:
        """Return one for each thing that was looked at."""
        found = [
            _judged("steps", "success, shapes and numbers as they must be", self._refused),
            _judged(
                "starts", f"equal seeds start alike, {self._seeds} seeds differently",
                [*(f"{task}: {said}" for task, said in self._unequal.items()), *self._same],
            ),
            _judged(
                "repeats", "equal seeds make equal demonstrations",
                [f"{task}: {said}" for task, said in self._unlike.items()],
            ),
            _judged(
                "nothing done", "is no success",
                [f"{task}: succeeded is True after one step of doing nothing, from every start"
                 for task in self._at_once],
            ),
        ]  # fmt: skip
        if self._idle:
            said = f"doing nothing till the end succeeded in {_some(self._idle)}"
            found.append(SuiteFinding("nothing done", "hint", said))
        return [*found, *self._experts(), *self._units(), self._speed()]

    def _show(self, tried: TriedTask, seed: int) -> Demonstration:
        started = time.monotonic()
        shown = demonstrate(self._environment, tried.task_id, seed, "check")
        self._spent_s += time.monotonic() - started
        self._steps += shown.num_steps
        tried.seeds += 1
        tried.steps.append(shown.num_steps)
        if self._environment.succeeded:
            tried.successes += 1
        elif self._environment.timed_out:
            tried.timed_out += 1
        if shown.num_steps:
            self._seen.append(_vectors(shown.observations, self._environment.interface))
            self._done.append(shown.actions)
        return shown

    def _do_nothing(self, task_id: str) -> None:
        nothing = np.zeros(len(self._environment.interface.action_names))
        at_once = True
        for seed in range(min(self._seeds, 3)):
            self._environment.reset(task_id, seed)
            self._environment.step(nothing)
            at_once = at_once and self._environment.succeeded
        if at_once:
            self._at_once.append(task_id)
            return
        while not self._environment.done and not self._late:
            self._environment.step(nothing)
        if self._environment.succeeded:
            self._idle.append(task_id)

    def _again(self, task_id: str, starts: Sequence[Frame], shown: Sequence[Demonstration]) -> None:
        """Return the first start once more: where much has happened since, and where nothing has."""
        for where, environment in (("later", self._environment), ("in a new simulator", self._other)):
            off = _apart(environment.reset(task_id, 0), starts[0])
            if off > _EQUAL:
                self._unequal[task_id] = f"seed 0 starts elsewhere {where}, by up to {off:.3g}"
                return  # what follows from another start says nothing about the expert
            if self._late and environment is self._other:
                break
            repeated = demonstrate(environment, task_id, 0, "check")
            if repeated.num_steps != shown[0].num_steps:
                counts = f"{shown[0].num_steps} steps, then {repeated.num_steps}"
                self._unlike[task_id] = f"seed 0 gives another demonstration {where}: {counts}"
            elif (off := _distance(repeated.actions, shown[0].actions)) > _ALIKE:
                self._unlike[task_id] = f"seed 0 gives other actions {where}, by up to {off:.3g}"
        moved = any(_apart(start, starts[0]) > _EQUAL for start in starts[1:])
        varied = any(
            demo.num_steps != shown[0].num_steps or _distance(demo.actions, shown[0].actions) > _EQUAL
            for demo in shown[1:]
        )
        if len(starts) > 1 and len(shown) > 1 and not moved and not varied:
            self._same.append(f"{task_id}: {len(starts)} seeds give one start; reset must use the seed")

    def _experts(self) -> list[SuiteFinding]:
        tried = [one for one in self.tried if one.seeds]
        never = [one for one in tried if not one.successes]
        partly = [one for one in tried if 0 < one.successes < one.seeds]
        # A few starts say little: an expert of 50% fails three in a row once in eight times.
        severity: Severity = "wrong" if self._seeds >= 5 else "hint"
        found = []
        if never:
            late = sum(one.timed_out for one in never)
            note = f"; {late} of its {sum(o.seeds for o in never)} episodes ran out of time" if late else ""
            names = _some([one.task_id for one in never])
            found.append(
                SuiteFinding("expert", severity, f"never did {names} in {never[0].seeds} starts{note}")
            )
        if partly:
            names = _some([f"{one.task_id} {one.rate}" for one in partly])
            found.append(
                SuiteFinding("expert", "hint", f"fails now and then, and is then asked again: {names}")
            )
        if tried and not found:
            found.append(
                SuiteFinding("expert", "ok", f"did all of {sum(one.seeds for one in tried)} episodes")
            )
        return found

    def _units(self) -> list[SuiteFinding]:
        interface, found = self._environment.interface, []
        kinds = (("observations", interface.layout.elements, self._seen),
                 ("actions", interface.action_names, self._done))  # fmt: skip
        for what, names, rows in kinds:
            if not rows:
                continue
            every = np.concatenate([np.atleast_2d(row) for row in rows])
            most = np.abs(every).max(axis=0)
            large = [f"{names[i]} up to {most[i]:.4g}" for i in np.argsort(-most) if most[i] > _LARGE]
            still = [names[i] for i in np.flatnonzero(np.ptp(every, axis=0) == 0)]
            if large:
                said = f"degrees or millimetres, in place of radians and metres? {_some(large)}"
                found.append(SuiteFinding(what, "hint", said))
            if still:
                found.append(SuiteFinding(what, "hint", f"never changed: {_some(still)}"))
            if not large and not still:
                found.append(SuiteFinding(what, "ok", f"from {every.min():.3g} to {every.max():.3g}"))
        return found

    def _speed(self) -> SuiteFinding:
        rate = self._steps / self._spent_s if self._spent_s and self._steps else 0.0
        return SuiteFinding("speed", "hint" if 0 < rate < _SLOW else "ok", f"{rate:.3g} steps a second")


def _judged(what: str, good: str, bad: Sequence[str]) -> SuiteFinding:
    """``wrong`` where there is something bad: the first in full, how many more."""
    more = f" (and in {len(bad) - 1} more tasks)" if len(bad) > 1 else ""
    return SuiteFinding(what, "wrong", f"{bad[0]}{more}") if bad else SuiteFinding(what, "ok", good)


def _distance(a: Array, b: Array) -> float:
    return float(np.abs(np.asarray(a) - np.asarray(b)).max(initial=0.0))


def _apart(a: Frame, b: Frame) -> float:
    return max(_distance(np.asarray(a[name], dtype=np.float64), b[name]) for name in a)


def _vectors(frames: Frames, interface: Interface) -> Array:
    """Give the vectors among the entries as one (T, d); pictures have no units."""
    parts = [frames[entry.name] for entry in interface.layout.entries if entry.is_vector]
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(frames), 0))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
