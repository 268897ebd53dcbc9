"""One action per control period from a policy that answers in chunks.

The same object acts in-process and in the policy executor node, so that both give the same actions.

    controller = ChunkController(policy, suite.embedding(task_id))
    action = controller.act(observation.values)      # a frame -> (a,)
"""

from __future__ import annotations

from collections import deque

import numpy as np

from amf_ros.core.errors import AmfError, PolicyFailed, shown
from amf_ros.core.frames import Frame, Frames
from amf_ros.core.values import Array
from amf_ros.policies.base import F32, Policy


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

    def act(self, observation: Frame) -> Array:
        """Give the action (a,) for the observation of this control period.

        Raises:
            PolicyFailed: the policy raised something, or answered with no finite action of its width.
        """
        if not self._pending:
            self._pending.extend(self._ask(observation))
        return self._pending.popleft().astype(np.float64)

    def _ask(self, observation: Frame) -> F32:
        """Ask for the actions (execute, a) played next. Here alone a policy's own code runs: it may raise
        anything, and whoever drives an arm must hear of it as an error of ours.
        """
        try:
            one = Frames({name: np.asarray(values)[None] for name, values in observation.items()}).float32()
            chunk = np.asarray(self._policy.infer(one, self._task))
        except AmfError:
            raise
        except Exception as error:  # a stranger's policy may raise anything: its caller gets POLICY_FAILED
            text = f"the policy raised {type(error).__name__}: {shown(str(error), 300)}"
            raise PolicyFailed(text) from error
        names = self._policy.spec.action_names
        if chunk.ndim != 3 or chunk.shape[1] < self._execute or chunk.shape[2] != len(names):
            raise PolicyFailed(
                f"the policy answered with an array of shape {chunk.shape}, expected "
                f"(1, {self._policy.spec.chunk}, {len(names)})"
            )
        actions: F32 = chunk[0, : self._execute]
        bad = np.argwhere(~np.isfinite(actions))
        if len(bad):
            step, element = bad[0]
            value, name = actions[step, element], names[element]
            raise PolicyFailed(f"the policy gave {value} for {name}, not a finite number")
        return actions
