"""Asks a person to put a task's scene in place, where no simulator does it, and knows when that was done.

What is wanted stands on a latched topic, in words; the person answers with a service, ``amf ready``. Whoever
asked for the scene asks again until it is there.
"""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from amf_ros.core.errors import RobotFault
from amf_ros.core.values import Task
from amf_ros.ros import names, qos


class SceneNotPlaced(RobotFault):
    """A person has not said yet that the scene is in place; says what is wanted."""


class SceneByHand:
    """One scene at a time: the newest that was asked for.

    Args:
        node: the robot node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wanted: tuple[str, int] | None = None
        self._placed: tuple[str, int] | None = None
        self._since = -1
        self._publisher = node.create_publisher(String, names.SCENE_WANTED, qos.LATCHED)
        node.create_service(Trigger, names.SCENE_READY, self._on_ready)
        self._say("")

    def expect(self, task: Task, seed: int, num_applied: int) -> None:
        """Return where this scene was put in place, and ask for it otherwise.

        The same scene, asked for again before the arm was commanded, is still in place: an answer that got
        lost costs nobody anything.

        Args:
            task: whose scene.
            seed: of the start; the same one is the same episode.
            num_applied: how many commands the arm has followed so far.

        Raises:
            SceneNotPlaced: the person has not said so yet.
        """
        key = (task.id, seed)
        if self._placed == key and self._since in (-1, num_applied):
            self._since = num_applied
            self._say("")
            return
        if self._wanted != key:
            self._wanted, self._placed, self._since = key, None, -1
            what = f": {task.instruction}" if task.instruction else ""
            self._say(f"put the scene of task {task.id} in place{what}")
            self._node.get_logger().info(f"{self._text}; then `amf ready` (or {names.SCENE_READY})")
        raise SceneNotPlaced(f"{self._text}; then `amf ready`, or call {names.SCENE_READY}")

    def _say(self, text: str) -> None:
        self._text = text
        self._publisher.publish(String(data=text))

    def _on_ready(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._wanted is None:
            response.success, response.message = False, "nobody waits for a scene"
            return response
        response.success, response.message = True, f"task {self._wanted[0]} may begin"
        self._placed, self._wanted = self._wanted, None
        return response
