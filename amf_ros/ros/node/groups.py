"""A callback group for callbacks that wait in threads of their own: not all threads of the node are theirs.

    group = LimitedGroup(node.threads - SPARE)
    node.create_service(NextTask, name, callback, callback_group=group)

rclpy takes a request only when its callback may begin, so those that find no room wait in the middleware's
queue, and the other callbacks of the node still find a thread. Imports rclpy only.
"""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup

SPARE = 4  # threads for the other callbacks: timers, short services, parameters


class LimitedGroup(CallbackGroup):
    """Callbacks that may run beside one another, up to a number.

    Args:
        most: of them at the same time.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._lock = most, threading.Lock()
        self.active = 0

    def can_execute(self, entity: Any) -> bool:
        """Say whether another one may begin now."""
        return self.active < self._most

    def beginning_execution(self, entity: Any) -> bool:
        """Begin one, or refuse."""
        with self._lock:
            if self.active >= self._most:
                return False
            self.active += 1
            return True

    def ending_execution(self, entity: Any) -> None:
        """Note that one has ended."""
        with self._lock:
            self.active -= 1
