"""A node whose every callback raises, alone in a process of its own as nodes are (test_guard.py)."""

from __future__ import annotations

import sys
from typing import Any

from rclpy.clock import Clock, ClockType
from std_msgs.msg import String
from std_srvs.srv import Trigger

from amf_msgs.action import FineTune
from amf_msgs.srv import LoadCheckpoint
from amf_ros.ros import qos
from amf_ros.ros.node.goals import Goal, Goals, in_background
from amf_ros.ros.node.runtime import AmfNode, run


class RaisingNode(AmfNode):
    def __init__(self) -> None:
        super().__init__("raising")
        self._secured = 0
        self.create_subscription(String, "words", self._on_word, qos.STREAM)
        self.create_service(LoadCheckpoint, "raising/load", self._raise)
        self.create_service(Trigger, "raising/secured", self._tell)
        self.create_service(Trigger, "raising/trigger", self._raise)
        self._goals = Goals(self, FineTune, "raising/tune", self._on_goal, self._raise)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def secure(self, error: BaseException) -> None:
        self._secured += 1
        raise RuntimeError("even this")

    def _tell(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, str(self._secured)
        return response

    def _on_word(self, message: String) -> None:
        if message.data == "timer":
            self.create_timer(0.01, self._raise, clock=self._steady)
        elif message.data == "task":
            self.post(self._raise)
        else:
            self._raise()

    def _on_goal(self, goal: Goal) -> None:
        if goal.request.round == 1:
            in_background(self, lambda: None, self._raise)
        if goal.request.round != 2:
            self._raise()
        self.create_timer(0.1, lambda: goal.feedback(FineTune.Feedback()), clock=self._steady)

    def _raise(self, *args: Any) -> Any:
        raise ValueError("out of this callback \ud800\0")


if __name__ == "__main__":
    sys.exit(run(RaisingNode))
