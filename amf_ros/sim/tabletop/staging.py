"""Scene and experts of the tabletop suite under one name. Imports this package only.

staging = TabletopStaging(TabletopSuite())
expert = staging.expert("open_drawer", seed=0)
"""

from __future__ import annotations

from amf_ros.sim.tabletop.experts import TabletopExpert
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.base import Suite


class TabletopStaging:
    """Stages the tasks of the tabletop suite; implements :class:`amf_ros.sim.protocol.Staging`.

    Args:
        suite: whose tasks are looked up; their ids are those of the tabletop.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite

    def scene(self) -> TabletopScene:
        """Return a new scene for a simulator."""
        return TabletopScene()

    def expert(self, task_id: str, seed: int) -> TabletopExpert:
        """Return a fresh scripted expert for one episode; ``seed`` draws the noise that it injects.

        Raises:
            UnknownName: no such task; the error lists the known ids.
        """
        return TabletopExpert(self._suite.task(task_id), seed)
