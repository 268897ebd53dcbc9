"""Success: what may be called so, and with dwell: held for some consecutive states before it counts.

judge = Judge(suite, "stack_red_on_blue")
done = judge.update(scene_state)
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.errors import ContractError
from amf_ros.core.values import Outcome, SceneState
from amf_ros.tasks.base import RobotSuite


def truth(value: object, what: str) -> bool:
    """Return what a suite said about success, if it is True or False: all else may count as True by chance.

    A method that nobody called is true, and so is NaN.

    Raises:
        ContractError: naming ``what`` and what it is instead.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if callable(value):
        raise ContractError(
            f"{what} is a method that nobody calls; write @property above it; see docs/own_suite.md"
        )
    raise ContractError(f"{what} is {value!r}; it must be True or False (bool); see docs/own_suite.md")


def _always(task_id: str) -> bool:
    return True


class Judge:
    """Watches one episode. ``dwell`` consecutive states [steps] must satisfy the task."""

    def __init__(self, suite: RobotSuite, task_id: str, dwell: int = 5) -> None:
        self._suite, self._task_id, self._dwell = suite, suite.task(task_id).id, dwell
        self._blind = not getattr(suite, "judges", _always)(self._task_id)
        self._held = 0
        self._stamp_ns: int | None = None

    def update(self, scene: SceneState) -> bool:
        """Say whether the task has been done; a state with the stamp seen last counts once.

        Raises:
            ContractError: the suite answers something that is neither True nor False.
        """
        if not self._blind and self._held < self._dwell and scene.stamp_ns != self._stamp_ns:
            self._stamp_ns = scene.stamp_ns
            what = f"suite {self._suite.name!r}: what succeeded({self._task_id!r}, scene) returns"
            self._held = self._held + 1 if truth(self._suite.succeeded(self._task_id, scene), what) else 0
        return self._held >= self._dwell

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once held long enough, else FAILURE; UNLABELED where the suite cannot tell."""
        if self._blind:
            return Outcome.UNLABELED
        return Outcome.SUCCESS if self._held >= self._dwell else Outcome.FAILURE
