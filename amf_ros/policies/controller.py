"""One action per control period from a policy that answers in chunks.

The same object acts in-process and in the policy executor node, so that both give the same actions.

    controller = ChunkController(policy, suite.embedding(task_id))
    action = controller.act(observation.vector)      # (d,) -> (a,)
"""

from __future__ import annotations

from collections import deque

import numpy as np

from amf_ros.policies.base import F32, Policy
from amf_ros.types import Array


class ChunkController:
    """Asks the policy every ``execute`` steps and plays what it answered in between."""

    def __init__(self, policy: Policy, embedding: Array, execute: int | None = None) -> None:
        """``execute`` is from 1 (ask at each step) to the policy's chunk; None takes the whole chunk.

        Raises:
            ValueError: ``execute`` is out of range.
        """
        chunk = policy.spec.chunk
        if execute is not None and not 1 <= execute <= chunk:
            raise ValueError(f"execute is {execute}; it must be from 1 to the policy's chunk of {chunk}")
        self._policy = policy
        self._task: F32 = np.asarray(embedding, dtype=np.float32)[None]
        self._execute = execute or chunk
        self._pending: deque[F32] = deque()

    def reset(self) -> None:
        """Forget what is left of the chunk: call at the start of an episode."""
        self._pending.clear()

    def act(self, observation: Array) -> Array:
        """The action (a,) for the observation (d,) of this control period."""
        if not self._pending:
            rows = np.asarray(observation, dtype=np.float32)[None]
            self._pending.extend(self._policy.infer(rows, self._task)[0, : self._execute])
        return self._pending.popleft().astype(np.float64)
