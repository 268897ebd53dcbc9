"""Suites by name, checked: an outsider's suite that lacks something is refused with what it lacks.

suite = load_suite("my_lab.kitchen:KitchenSuite")
suite = load_robot_suite("tabletop")      # for what needs a robot's scene
"""

from __future__ import annotations

import inspect

import numpy as np

from amf_ros.errors import ConfigError
from amf_ros.registry import load
from amf_ros.tasks.base import RobotSuite, SimulatedSuite, Suite

_EVERY = ("name", "tasks", "task", "embedding_names", "embedding")
_ROBOT = ("succeeded", "expert", "scene")
_SIMULATED = ("observation_names", "action_names", "fps", "environment")
_HINT = "see docs/own_suite.md"


def load_suite(name: str) -> Suite:
    """A new suite by its short name or ``package.module:Object``, which is called without arguments.

    Raises:
        UnknownName: the short name is not registered.
        ConfigError: it cannot be imported or called, lacks something, or contradicts itself.
    """
    make = load("suite", name)
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ConfigError(f"suite {name!r} must be called without arguments ({error}); {_HINT}") from error
    suite = make()
    kind = _SIMULATED if hasattr(suite, "environment") else _ROBOT
    lacking = [member for member in (*_EVERY, *kind) if not hasattr(suite, member)]
    if lacking:
        raise ConfigError(f"suite {name!r} lacks {', '.join(lacking)}; {_HINT}")
    return checked(suite)


def checked(suite: Suite) -> Suite:
    """The suite, if its tasks have different ids and embeddings of the length that it names.

    Raises:
        ConfigError: naming the first thing that is wrong.
    """
    ids = [task.id for task in suite.tasks]
    if not ids or len(set(ids)) != len(ids):
        twice = next((task_id for task_id in ids if ids.count(task_id) > 1), None)
        problem = f"task {twice!r} stands twice" if twice else "it has no tasks"
        raise ConfigError(f"suite {suite.name!r}: {problem}; give each task an id of its own, {_HINT}")
    wanted = (len(suite.embedding_names),)
    for task_id in ids:
        embedding = np.asarray(suite.embedding(task_id), dtype=np.float64)
        if embedding.shape != wanted or not np.isfinite(embedding).all():
            raise ConfigError(
                f"suite {suite.name!r}: the embedding of {task_id!r} has shape {embedding.shape}, it must be "
                f"{wanted} as embedding_names say, and finite; {_HINT}"
            )
    return suite


def load_robot_suite(name: str) -> RobotSuite:
    """A suite that has a scene for a robot.

    Raises:
        UnknownName: as :func:`load_suite`.
        ConfigError: as :func:`load_suite`, or it brings its own simulator instead.
    """
    suite = load_suite(name)
    if not isinstance(suite, RobotSuite):
        raise ConfigError(
            f"suite {name!r} brings its own simulator and has no scene for a robot: it runs in-process only, "
            f"not on the ROS graph; {_HINT}"
        )
    return suite


def brings_simulator(suite: Suite) -> bool:
    """Whether episodes happen in the suite's own simulator; it is a :class:`SimulatedSuite` then."""
    return isinstance(suite, SimulatedSuite)
