"""The task to demonstrate where tasks have continuous parameters: a goal, a pose, that no list holds.

    proposed = propose_task(suite, strategy, problem, policy, states, seed=0)
    proposed.parameters, proposed.score

The score of :mod:`amf_ros.selection.information_gain` is maximised over the parameters: eq. 2 of arXiv
2410.05026 with the argmax over a box in place of a list. Imports policies, selection, tasks and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from amf_ros.core.errors import NoEmbeddings
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array
from amf_ros.policies.base import F32, Policy
from amf_ros.selection.base import Problem
from amf_ros.selection.gain_strategy import GainStrategy
from amf_ros.selection.parametric import Proposal, gains_of, propose
from amf_ros.tasks.base import Suite

States = Callable[[Array], Array]  # parameters (m, q) -> states (m, n, d) that their demonstrations visit


@runtime_checkable
class ParametricSuite(Suite, Protocol):
    """A suite whose tasks are points of a box; the listed ones are some of them."""

    @property
    def parameter_low(self) -> Sequence[float]:
        """Of the box of q parameters."""

    @property
    def parameter_high(self) -> Sequence[float]:
        """Of the box of q parameters, each above its low."""

    def embedding_of(self, parameters: Array) -> Array:
        """Return what conditions the policy on the task with these parameters, (q,) -> (k,)."""


def propose_task(
    suite: ParametricSuite,
    strategy: GainStrategy,
    problem: Problem,
    policy: Policy,
    states: States,
    seed: int,
    population: int = 16,
    generations: int = 40,
) -> Proposal:
    """Return the parameters whose demonstration is expected to teach the problem's targets most.

    Args:
        suite: gives the box, and embeddings in it.
        strategy: AMF in any form.
        problem: with rows of ``policy.embed``, without a task part beside them; its candidates play no part.
        policy: whose rows those are.
        states: expected of demonstrations, such as roll-outs of the current policy or :class:`Nearest`.
        seed: of the search.
        population: points per parameter.
        generations: at most; see :func:`amf_ros.selection.parametric.propose`.

    Raises:
        SelectionError: the box is empty, the rows do not fit the problem, or it has no answer.
    """

    def score(parameters: Array) -> Array:
        return gains_of(strategy, problem, rows_of(suite, policy, states, parameters))

    return propose(score, suite.parameter_low, suite.parameter_high, seed, population, generations)


def rows_of(suite: ParametricSuite, policy: Policy, states: States, parameters: Array) -> list[F32]:
    """Rows (n, p) that a demonstration of each of m tasks with ``parameters`` (m, q) would add."""
    visited = np.asarray(states(parameters), dtype=np.float32)  # (m, n, d)
    count, length, width = visited.shape
    tasks = np.repeat([suite.embedding_of(point) for point in parameters], length, axis=0).astype(np.float32)
    rows = policy.embed(Frames.of_vectors(visited.reshape(count * length, width)), tasks)
    return list(rows.reshape(count, length, -1))


class Nearest:
    """States of the listed task whose embedding is nearest, for want of better: implements :data:`States`."""

    def __init__(self, suite: ParametricSuite, known: Mapping[str, Array], count: int = 10) -> None:
        """Keep ``count`` evenly spaced ones of each task.

        Args:
            suite: gives the embeddings.
            known: task id -> states (n, d) of its demonstrations or roll-outs; tasks without are passed over.
            count: states that stand for a demonstration.

        Raises:
            NoEmbeddings: no task has states.
        """
        ids = [key for key, rows in known.items() if len(rows)]
        if not ids:
            raise NoEmbeddings("no task has states to expect of others; demonstrate or execute one first")
        self._suite = suite
        self._places = np.array([suite.embedding(key) for key in ids])
        spaced = (np.linspace(0, len(known[key]) - 1, count).round().astype(int) for key in ids)
        self._states = np.array([known[key][rows] for key, rows in zip(ids, spaced)])

    def __call__(self, parameters: Array) -> Array:
        """(m, q) -> (m, count, d)."""
        places = np.array([self._suite.embedding_of(point) for point in parameters])
        apart = np.linalg.norm(places[:, None] - self._places[None], axis=2)  # (m, tasks)
        nearest: Array = self._states[apart.argmin(axis=1)]
        return nearest
