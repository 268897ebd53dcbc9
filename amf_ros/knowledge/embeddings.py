"""Trajectories as feature rows, each embedded once: frozen features do not change while a session goes on.

    embedder = Embedder(suite, config, checkpoint.policy, fitted={})
    states = embedder.rows([(demonstration, "open_drawer")])           # (n, p), the same object next time

Each trajectory is embedded by itself, so that its features do not depend on what else was new that day and
a restarted selector finds the same ones to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.frames import Frames
from amf_ros.core.values import Demonstration
from amf_ros.knowledge.trajectories import Trajectory, direction, states_of
from amf_ros.knowledge.uncertainty.base import States, UncertaintyModel
from amf_ros.knowledge.uncertainty.loading import make_model
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, Policy
from amf_ros.tasks.base import Suite

Part = tuple[Trajectory, str]  # a trajectory, and the task its states are asked about


class Embedder:
    """Features of one suite's trajectories under one pi_0; not for several threads at once."""

    def __init__(self, suite: Suite, config: SelectionConfig, policy: Policy, fitted: Fitted) -> None:
        """``fitted`` is what the checkpoint keeps for the uncertainty model.

        Raises:
            UnknownName: no such uncertainty model.
            ConfigError: the policy lacks what the model needs.
            CheckpointError: the model was not fitted when the checkpoint was made.
        """
        self._suite, self._name, self._chunk = suite, config.uncertainty, policy.spec.chunk
        self._count, self._task_weight = config.states_per_trajectory, config.task_weight
        self._policy = policy
        self._model = make_model(self._name, policy, fitted)
        # Where rows are inputs the kernel has a task part of its own, and inputs stand for the coverage.
        self.task_columns: int = getattr(self._model, "task_columns", 0)
        if self.task_columns:
            self._task_weight = 0.0
        self._print = _fingerprint(self._model, policy)
        self._kept: dict[Any, F32] = {}
        self._used: set[Any] = set()
        self._digests: dict[int, tuple[Frames, bytes]] = {}

    def holds(self, policy: Policy, fitted: Fitted) -> bool:
        """Say whether this policy's features are these too: fine-tuned policies of one pi_0 share them."""
        if policy is not self._policy:
            if _fingerprint(make_model(self._name, policy, fitted), policy) != self._print:
                return False
            self._policy = policy
        return True

    @property
    def width(self) -> int:
        """Of the features phi, without the task part: p."""
        return int(self._features(()).shape[1])

    def pretraining_inputs(self) -> F32 | None:
        """Return rows of pre-training states, (m, p), always the same object; None of models of features."""
        rows = getattr(self._model, "pretraining_inputs", None)
        return None if rows is None else self._once("pretraining_inputs", rows)

    def mean_square(self, parts: Sequence[Part]) -> float:
        """Return the mean |phi|^2 over states of some trajectories, without the task part; NaN of none."""

        def make() -> F32:
            squared = np.square(self._features(parts), dtype=np.float64).sum(axis=1)
            return np.array([squared.mean() if len(squared) else np.nan], np.float32)

        return float(self._once(("square", self._keys(parts)), make)[0])

    def rows(self, parts: Sequence[Part], scale: float = 1.0) -> F32:
        """Return features of all states, one trajectory after another, (n, p) or (n, p + k) with a task part.

        With task_weight lambda > 0 they are [sqrt(1 - lambda) phi / scale, sqrt(lambda) e / |e|]: the kernel
        is a sum of one that tasks share and one of the task embedding alone. The array is read-only, and the
        same object as long as nothing changed.
        """
        share = self._task_weight
        if not share:
            return self._features(parts)

        def make() -> F32:
            lengths = [self._length(trajectory) for trajectory, _ in parts]
            units = [direction(self._suite.embedding(task_id)) for _, task_id in parts]
            none = np.zeros((0, len(self._suite.embedding_names)), np.float32)
            told = np.concatenate([none, *(np.tile(e, (n, 1)) for e, n in zip(units, lengths, strict=True))])
            phi = self._features(parts) * np.float32(np.sqrt(1 - share) / scale)
            return np.concatenate([phi, told * np.float32(np.sqrt(share))], axis=1)

        return self._once(("rows", self._keys(parts), scale), make)

    def weights(self, parts: Sequence[Part], masses: Sequence[float]) -> F32:
        """Return the weight of each row of :meth:`rows` where whole trajectories weigh ``masses``, (n,)."""

        def make() -> F32:
            lengths = [self._length(trajectory) for trajectory, _ in parts]
            return np.repeat(np.array(masses) / lengths, lengths).astype(np.float32)

        return self._once(("weights", self._keys(parts), tuple(masses)), make)

    def weighted_rows(self, parts: Sequence[Part], masses: Sequence[float], scale: float = 1.0) -> F32:
        """:meth:`rows`, those of each trajectory times the square root of what it counts."""
        if all(mass == 1 for mass in masses):
            return self.rows(parts, scale)

        def make() -> F32:
            roots = np.repeat(np.sqrt(masses), [self._length(trajectory) for trajectory, _ in parts])
            return self.rows(parts, scale) * roots.astype(np.float32)[:, None]

        return self._once(("weighted", self._keys(parts), tuple(masses), scale), make)

    def once(self, key: str, make: Callable[[], F32]) -> F32:
        """Return an array made once for this pi_0."""
        return self._once(("other", key), make)

    def forget_unused(self) -> None:
        """Drop what was not asked for since the last call: memory follows what is stored."""
        self._kept = {key: value for key, value in self._kept.items() if key in self._used}
        self._digests = {key: entry for key, entry in self._digests.items() if key in self._used}
        self._used = set()

    def _features(self, parts: Sequence[Part]) -> F32:
        keys = self._keys(parts)

        def make() -> F32:
            if not parts:
                spec = self._policy.spec
                tasks = np.zeros((0, len(spec.task_names)), np.float32)
                return self._model.embed(States(spec.layout.stacked([]).float32(), tasks))
            return np.concatenate([self._embed(key, *part) for key, part in zip(keys, parts, strict=True)])

        return self._once(("phi", keys), make)

    def _embed(self, key: bytes, trajectory: Trajectory, task_id: str) -> F32:
        def make() -> F32:
            e = self._suite.embedding(task_id)
            return self._model.embed(states_of(trajectory, task_id, e, self._chunk, self._count))

        return self._once(key, make)

    def _once(self, key: Any, make: Callable[[], F32]) -> F32:
        self._used.add(key)
        if key not in self._kept:
            made = np.ascontiguousarray(make(), dtype=np.float32)
            made.setflags(write=False)
            self._kept[key] = made
        return self._kept[key]

    def _length(self, trajectory: Trajectory) -> int:
        return min(len(trajectory.observations), self._count)

    def _keys(self, parts: Sequence[Part]) -> tuple[bytes, ...]:
        """Return what the features of each part follow from, digested."""
        keys = tuple(
            self._digest(trajectory) + f"/{trajectory.id}/{trajectory.task_id}/{task_id}".encode()
            for trajectory, task_id in parts
        )
        # One by one, or those inside an array that was made of them would count as unused and go.
        self._used.update(keys)
        return keys

    def _digest(self, trajectory: Trajectory) -> bytes:
        """Of the arrays; stores hand out the same objects again, which saves reading them."""
        where = id(trajectory.observations)
        self._used.add(where)
        known = self._digests.get(where)
        if known is None or known[0] is not trajectory.observations:
            digest = hashlib.blake2b(digest_size=16)
            trajectory.observations.update(digest)
            if isinstance(trajectory, Demonstration):
                digest.update(np.ascontiguousarray(trajectory.actions).tobytes())
            known = self._digests[where] = (trajectory.observations, digest.digest())
        return known[1]


def _fingerprint(model: UncertaintyModel, policy: Policy) -> bytes:
    """Of pi_0 and the model: what they answer to states nobody else asks about."""
    spec, rng = policy.spec, np.random.default_rng(0)
    observations = spec.layout.drawn(rng, 8).float32()
    shapes = (len(spec.task_names),), (spec.chunk, len(spec.action_names))
    tasks, chunks = (rng.standard_normal((8, *shape), dtype=np.float32) for shape in shapes)
    valid = np.ones((8, spec.chunk), np.float32)
    answers = model.embed(States(observations, tasks, chunks, valid)), policy.embed(observations, tasks)
    return hashlib.blake2b(b"".join(np.ascontiguousarray(a).tobytes() for a in answers)).digest()
