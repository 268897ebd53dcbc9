"""Success with dwell: a predicate must hold for some consecutive states before it counts.

judge = Judge(suite, "stack_red_on_blue")
done = judge.update(scene_state)
"""

from __future__ import annotations

from amf_ros.tasks.base import RobotSuite
from amf_ros.types import Outcome, SceneState


class Judge:
    """Watches one episode. ``dwell`` consecutive states [steps] must satisfy the task."""

    def __init__(self, suite: RobotSuite, task_id: str, dwell: int = 5) -> None:
        self._suite, self._task_id, self._dwell = suite, suite.task(task_id).id, dwell
        self._held = 0
        self._stamp_ns: int | None = None

    def update(self, scene: SceneState) -> bool:
        """True once the task has been done; a state with the stamp seen last counts once."""
        if self._held < self._dwell and scene.stamp_ns != self._stamp_ns:
            self._stamp_ns = scene.stamp_ns
            self._held = self._held + 1 if self._suite.succeeded(self._task_id, scene) else 0
        return self._held >= self._dwell

    @property
    def outcome(self) -> Outcome:
        """SUCCESS once held long enough, else FAILURE."""
        return Outcome.SUCCESS if self._held >= self._dwell else Outcome.FAILURE
