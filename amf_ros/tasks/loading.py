"""Suites by name, checked: an outsider's suite that lacks something is refused with what it lacks.

suite = load_suite("my_lab.kitchen:KitchenSuite")
suite = load_robot_suite("tabletop")      # for what needs an arm
"""

from __future__ import annotations

import inspect
import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amf_ros.core.errors import ConfigError, shown
from amf_ros.core.plugins import load
from amf_ros.core.values import Array, Task
from amf_ros.tasks.base import RobotSuite, SimulatedSuite, Suite
from amf_ros.tasks.task_file import load_task_file

_EVERY = ("name", "tasks", "task", "embedding_names", "embedding")
_ROBOT = ("succeeded",)
_SIMULATED = ("observation_names", "action_names", "fps", "environment")
_HINT = "see docs/own_suite.md"


def load_suite(name: str, allow: Iterable[str] | None = None) -> Suite:
    """Load a suite by short name or ``package.module:Object``: a class or function, which is called without
    arguments, or a suite that the module has made, with whatever arguments it likes; or the path of a file of
    tasks (:mod:`amf_ros.tasks.task_file`), which ends in ``.yaml``.

    Args:
        name: of the suite.
        allow: as for :func:`amf_ros.core.plugins.load`, for a name that stands in a file.

    Raises:
        UnknownName: the short name is not registered.
        NotAllowed: a path that is not in ``allow``.
        ConfigError: it cannot be imported or called, lacks something, or contradicts itself.
    """
    if name.endswith((".yaml", ".yml")):
        return checked(load_task_file(name))
    found = load("suite", name, allow)
    suite = found if hasattr(found, "tasks") and not isinstance(found, type) else _called(name, found)
    kind = _SIMULATED if hasattr(suite, "environment") else _ROBOT
    lacking = [member for member in (*_EVERY, *kind) if not hasattr(suite, member)]
    if lacking:
        raise ConfigError(f"suite {name!r} lacks {', '.join(lacking)}; {_HINT}")
    return checked(suite)


def allowed_policies(suite: Suite) -> tuple[str, ...]:
    """Policy classes that a suite vouches for in its ``policies``, as ``package.module:Class``; often none.

    A checkpoint names the class of its policy, and importing that runs code; the suite was named by whoever
    started this process, so its word counts.

    Raises:
        ConfigError: ``policies`` is something else than a tuple or list of text.
    """
    named = getattr(suite, "policies", ())
    if not isinstance(named, (tuple, list)) or not all(isinstance(one, str) for one in named):
        raise ConfigError(f"suite {suite.name!r}: policies is {shown(named)}, not a tuple of text; {_HINT}")
    return tuple(named)


def checked(suite: Suite) -> Suite:
    """Return the suite, if what it says of itself can be so: ids, names, limits, rate, bounds, embeddings.

    Raises:
        ConfigError: naming the first thing that is wrong.
    """
    try:
        _check_tasks(suite)
        _check_embeddings(suite)
        if isinstance(suite, SimulatedSuite):
            _check_simulated(suite)
        else:
            _check_limits(suite.tasks, None)
    except _Wrong as wrong:
        raise ConfigError(f"suite {suite.name!r}: {wrong}; {_HINT}") from wrong
    return suite


def action_bounds(suite: SimulatedSuite) -> tuple[Array, Array] | None:
    """Least and largest action that the suite declares (``action_low``, ``action_high``), each (a,), or None.

    Raises:
        ConfigError: only one of them is there, they have another length, or low is not below high.
    """
    given = [getattr(suite, name, None) for name in ("action_low", "action_high")]
    if given[0] is None and given[1] is None:
        return None
    try:
        if given[0] is None or given[1] is None:
            raise _Wrong("it has one of action_low and action_high; give both, or neither")
        low, high = (_numbers(value, "action_low and action_high") for value in given)
        wanted = (len(tuple(suite.action_names)),)
        if low.shape != wanted or high.shape != wanted or not np.all(low < high):
            raise _Wrong(
                f"action_low {low.tolist()} and action_high {high.tolist()} must have {wanted[0]} elements "
                "as action_names says, each low below its high"
            )
    except _Wrong as wrong:
        raise ConfigError(f"suite {suite.name!r}: {wrong}; {_HINT}") from wrong
    return low, high


def check_limits(suite: RobotSuite, fps: float) -> None:
    """Check that each task of a robot's suite has time for a step at ``fps`` steps per second.

    Raises:
        ConfigError: naming the first that has not.
    """
    try:
        _check_limits(suite.tasks, fps)
    except _Wrong as wrong:
        raise ConfigError(f"suite {suite.name!r}: {wrong}; {_HINT}") from wrong


def load_robot_suite(name: str) -> RobotSuite:
    """Return a suite whose tasks an arm does.

    Raises:
        UnknownName: as :func:`load_suite`.
        ConfigError: as :func:`load_suite`, or it brings its own simulator instead.
    """
    suite = load_suite(name)
    if not isinstance(suite, RobotSuite):
        raise ConfigError(
            f"suite {name!r} brings its own simulator and has no tasks for an arm: it runs in-process only, "
            f"not on the ROS graph; {_HINT}"
        )
    return suite


def brings_simulator(suite: Suite) -> bool:
    """Say whether episodes happen in the suite's own simulator; it is a :class:`SimulatedSuite` then."""
    return isinstance(suite, SimulatedSuite)


class _Wrong(Exception):
    """What is wrong with a suite, without its name."""


def _called(name: str, make: Any) -> Any:
    if not callable(make):
        raise ConfigError(
            f"suite {name!r} is {make!r}: neither a suite nor something that makes one; {_HINT}"
        )
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ConfigError(
            f"suite {name!r} must be called without arguments ({error}); for arguments name a function that "
            f"makes it, or a suite that the module has made; {_HINT}"
        ) from error
    made = make()
    if isinstance(made, type):
        raise ConfigError(f"suite {name!r} returns the class {made.__name__}, not a suite; call it; {_HINT}")
    return made


def _check_tasks(suite: Suite) -> None:
    ids = [task.id for task in suite.tasks]
    if not ids:
        raise _Wrong("it has no tasks; give it some, each with an id of its own")
    for task_id in ids:
        if not isinstance(task_id, str) or not task_id.strip():
            raise _Wrong(f"a task's id is {task_id!r}; give each task an id of its own, a text")
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in task_id):
            raise _Wrong(f"task id {shown(task_id)} holds a control character or half a character; drop it")
    _check_unlike(ids, "task", "give each task an id of its own")


def _check_embeddings(suite: Suite) -> None:
    wanted = (len(suite.embedding_names),)
    owner: dict[bytes, str] = {}
    for task in suite.tasks:
        embedding = _numbers(suite.embedding(task.id), f"the embedding of {task.id!r}")
        if embedding.shape != wanted or not np.isfinite(embedding).all():
            raise _Wrong(
                f"the embedding of {task.id!r} has shape {embedding.shape}, it must be {wanted} as "
                "embedding_names say, and finite"
            )
        other = owner.setdefault((embedding + 0.0).tobytes(), task.id)
        if other != task.id:
            raise _Wrong(
                f"tasks {other!r} and {task.id!r} have the same embedding {_brief(embedding)}: the policy "
                "could not tell them apart; give each one of its own, a one-hot if nothing else"
            )


def _check_simulated(suite: SimulatedSuite) -> None:
    for member in ("observation_names", "action_names"):
        names = getattr(suite, member)
        if isinstance(names, str) or not all(isinstance(n, str) and n for n in names) or not len(names):
            raise _Wrong(f"{member} is {names!r}; it must be a tuple of texts, one for each element")
        _check_unlike(list(names), member, "give each element a name of its own")
    fps: object = suite.fps
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not 0 < float(fps) < math.inf:
        raise _Wrong(f"fps is {fps!r}; it must be a number above 0, steps per second")
    _check_limits(suite.tasks, float(fps))
    action_bounds(suite)


def _check_limits(tasks: Sequence[Task], fps: float | None) -> None:
    """``fps`` None: on a robot, whose contract says it."""
    for task in tasks:
        limit, steps = task.time_limit_s, getattr(task, "max_episode_steps", 0)
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
            raise _Wrong(f"max_episode_steps of {task.id!r} is {steps!r}; it must be a whole number above 0")
        if steps and fps is None:
            raise _Wrong(f"{task.id!r} has max_episode_steps; on a robot give time_limit_s in its place")
        if not 0 < limit < math.inf:
            raise _Wrong(f"time_limit_s of {task.id!r} is {limit!r}; it must be seconds above 0")
        if fps and not steps and round(limit * fps) < 1:
            raise _Wrong(
                f"time_limit_s of {task.id!r} is {limit:g} s, less than one step at fps {fps:g}; give more, "
                "or max_episode_steps"
            )


def _check_unlike(names: Sequence[str], what: str, remedy: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None) if _repeats(names) else None
    if twice is not None:
        raise _Wrong(f"{what} {twice!r} stands twice; {remedy}")


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


def _numbers(value: ArrayLike | None, what: str) -> Array:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _Wrong(f"{what} is {value!r}, not numbers") from error


def _brief(vector: Array) -> str:
    text = np.array2string(vector, precision=3, threshold=6, max_line_width=200)
    return text if len(text) <= 60 else text[:57] + "..."
