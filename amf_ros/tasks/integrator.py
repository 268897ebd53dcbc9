"""The integrator suite: a point in the plane, twelve goals on a circle. It brings its own simulator.

    suite = IntegratorSuite()
    simulator = suite.environment()
    position = simulator.reset("goal_030", seed=3)

The setting in which arXiv 2410.05026 studies AMF-GP: the observation is a position p, the action a
velocity u, p' = p + u / f; a task is a goal g, and its embedding is g itself, so that near goals teach each
other and goals between the listed ones are tasks too. The expert is a saturated proportional law. The
functions work on many points at once, (n, 2); the simulator calls them with one. Imports errors and types.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, Task

HZ = 5.0
MAX_SPEED = 0.5  # [m/s]
GAIN = 3.0  # of the expert [1/s]
RADIUS = 1.0  # of the circle of goals [m]
SPREAD = 0.1  # of starts about the middle [m]
TOLERANCE = 0.1  # to the goal [m]
TIME_LIMIT_S = 3.0
NUM_STEPS = round(TIME_LIMIT_S * HZ)

GOALS = {
    f"goal_{degrees:03d}": (RADIUS * np.cos(np.deg2rad(degrees)), RADIUS * np.sin(np.deg2rad(degrees)))
    for degrees in range(0, 360, 30)
}


def start(seed: int) -> Array:
    """Draw where an episode begins: uniform in a disc about the middle, (2,) [m]; the same for all tasks."""
    rng = np.random.default_rng(seed)
    radius, angle = SPREAD * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    place: Array = radius * np.array([np.cos(angle), np.sin(angle)])
    return place


def saturated(velocities: ArrayLike) -> Array:
    """Velocities (..., 2) [m/s] shortened to the largest speed."""
    wanted = np.asarray(velocities, dtype=np.float64)
    speed = np.linalg.norm(wanted, axis=-1, keepdims=True)
    result: Array = wanted * np.minimum(1.0, MAX_SPEED / np.maximum(speed, MAX_SPEED))
    return result


def advance(positions: Array, velocities: ArrayLike) -> Array:
    """Positions (..., 2) after one period."""
    following: Array = positions + saturated(velocities) / HZ
    return following


def expert(positions: Array, goals: ArrayLike) -> Array:
    """Return what the demonstrator does: straight to the goal, slower near it, (..., 2) [m/s]."""
    return saturated(GAIN * (np.asarray(goals, dtype=np.float64) - positions))


def roll_out(act: Callable[[Array, Array], ArrayLike], starts: Array, goals: Array) -> Array:
    """Episodes of full length, all at once: positions (n, NUM_STEPS + 1, 2), the start first.

    Args:
        act: positions (n, 2) and goals (n, 2) -> velocities (n, 2).
        starts: (n, 2).
        goals: (n, 2).
    """
    path = [starts]
    for _ in range(NUM_STEPS):
        path.append(advance(path[-1], act(path[-1], goals)))
    return np.stack(path, axis=1)


def normalised_return(paths: Array, goals: Array) -> Array:
    """Return what episodes achieved, (n,): expert 1, standing still 0, the wrong way negative.

    The return is minus the sum of distances to the goal; the expert starts where the episode did.

    Args:
        paths: (n, NUM_STEPS + 1, 2) positions, the start first.
        goals: (n, 2).
    """

    def total(positions: Array) -> Array:
        distances: Array = np.linalg.norm(positions - goals[:, None], axis=2).sum(axis=1)
        return distances

    still = (NUM_STEPS + 1) * np.linalg.norm(paths[:, 0] - goals, axis=1)
    achieved: Array = (still - total(paths)) / (still - total(roll_out(expert, paths[:, 0], goals)))
    return achieved


class IntegratorSimulator:
    """One point, one episode at a time; implements :class:`amf_ros.tasks.base.SuiteSimulator`."""

    def __init__(self, suite: IntegratorSuite) -> None:
        self._suite = suite
        self._position, self._goal = np.zeros(2), np.zeros(2)

    def reset(self, task_id: str, seed: int) -> Array:
        """Start an episode; the position (2,) [m]. Raises UnknownName."""
        self._goal, self._position = self._suite.embedding(task_id), start(seed)
        return self._position

    def step(self, action: Array) -> Array:
        """Move with a velocity (2,) [m/s] for one period; the position (2,)."""
        self._position = advance(self._position, action)
        return self._position

    @property
    def succeeded(self) -> bool:
        """Whether the point is at its goal."""
        return bool(np.linalg.norm(self._goal - self._position) < TOLERANCE)

    def expert(self) -> Array:
        """Goes on to the end of the time, so that a demonstration shows how to stay at the goal."""
        return expert(self._position, self._goal)


class IntegratorSuite:
    """Twelve goals; implements :class:`amf_ros.tasks.base.SimulatedSuite`.

    Any other goal is a task too: ``parameter_low`` and ``parameter_high`` (2,) bound it [m], and
    :meth:`embedding_of` gives what conditions the policy on it.
    """

    name = "integrator"
    tasks = tuple(
        Task(task_id, f"go to the goal at {task_id[-3:]} degrees", roles={}, time_limit_s=TIME_LIMIT_S)
        for task_id in GOALS
    )
    observation_names = ("x", "y")
    action_names = ("velocity_x", "velocity_y")
    fps = HZ
    embedding_names = ("goal_x", "goal_y")
    parameter_low = (-RADIUS, -RADIUS)
    parameter_high = (RADIUS, RADIUS)

    def task(self, task_id: str) -> Task:
        """Return one task. Raises UnknownName."""
        found = next((task for task in self.tasks if task.id == task_id), None)
        if found is None:
            raise UnknownName("task", task_id, GOALS)
        return found

    def embedding(self, task_id: str) -> Array:
        """Return the goal (2,) [m]. Raises UnknownName."""
        return np.array(GOALS[self.task(task_id).id])

    def embedding_of(self, parameters: Array) -> Array:
        """Return the embedding of the task with these parameters, (2,) -> (2,): the goal itself."""
        return np.array(parameters, dtype=np.float64)

    def environment(self) -> IntegratorSimulator:
        """Return a new simulator."""
        return IntegratorSimulator(self)
