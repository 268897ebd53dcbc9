"""What an answer of the graph means to whoever waits for it, and how one knows that there is still somebody.

``Calls`` and the goals that it runs share it. No spinning here.

    pulse = Pulse(node, names.FINE_TUNE)
    pulse.beat(); ...; pulse.silent_s
    result = result_of(names.FINE_TUNE, response)
"""

from __future__ import annotations

import time
from typing import Any

from action_msgs.msg import GoalStatus
from rcl_interfaces.srv import GetParameters
from rclpy.task import Future

from amf_ros.core.errors import AmfError
from amf_ros.ros import qos

BEAT_S = 1.0
DEAD_S = 10.0  # a node that answers nothing for so long is dead, frozen, or cut off


class ServerUnavailable(AmfError):
    """A service or action does not answer; names it and what to look at."""


class ServerLost(AmfError):
    """The server of a running goal was restarted and does not know it any more; send it again."""


class Refused(AmfError):
    """A node answered with an error code.

    Attributes:
        name: of the service or action.
        code: as in the interface's definition.
        result: the whole response or result.
    """

    def __init__(self, name: str, code: int, message: str, result: Any = None) -> None:
        self.name, self.code, self.result = name, code, result
        super().__init__(message or f"{name} answered with error code {code}")


def result_of(name: str, response: Any) -> Any:
    """Return the result in an answer about a goal; one without an error code is of a goal that succeeded.

    Raises:
        ServerLost: the server does not know the goal, or it ended without a word of its node.
    """
    if response.status == GoalStatus.STATUS_UNKNOWN:
        raise ServerLost(f"{name}: its node was restarted and does not know the goal; ask again")
    if response.status != GoalStatus.STATUS_SUCCEEDED and not response.result.error_code:
        raise ServerLost(f"{name}: the goal ended without a result; look at the log of its node, ask again")
    return response.result


def dead_server(name: str) -> ServerUnavailable:
    """Return the error of a service or action whose node answers nothing any more."""
    node = name.rpartition("/")[0]
    return ServerUnavailable(
        f"{name}: node {node} stopped answering; it died, hangs, or the link is cut: look at its log, "
        "then ask again (what was finished is kept)"
    )


class Pulse:
    """Shows whether the node behind a service or action works: it is asked for no parameters at all.

    Discovery alone tells of a killed process after some 20 s, and of a frozen one never. A server that was
    never heard, as one of another library without parameters, is not judged.

    Args:
        node: that asks; it must be spun.
        name: of a service or action that is named after its node, as all of this package are.
    """

    def __init__(self, node: Any, name: str) -> None:
        service = f"{name.rpartition('/')[0]}/get_parameters"
        self._client = node.create_client(GetParameters, service, qos_profile=qos.SERVICE)
        self._asked: list[tuple[float, Future]] = []
        self._heard = False
        self._waiting_s: float | None = None  # since when nothing was answered

    def beat(self) -> None:
        """Ask, at most once in :data:`BEAT_S`, and forget old questions; call it in the executor's thread."""
        now = time.monotonic()
        while self._asked and (self._asked[0][1].done() or now - self._asked[0][0] > DEAD_S):
            _, future = self._asked.pop(0)
            if not future.done():
                self._client.remove_pending_request(future)
        if self._asked and now - self._asked[-1][0] < BEAT_S:
            return
        if self._waiting_s is None:
            self._waiting_s = now
        future = self._client.call_async(GetParameters.Request())
        future.add_done_callback(self._answered)
        self._asked.append((now, future))

    def _answered(self, _: Future) -> None:
        self._heard, self._waiting_s = True, None

    @property
    def silent_s(self) -> float:
        """How long a question has been waiting with no answer to any [s]; 0 where none ever was answered."""
        since = self._waiting_s
        return 0.0 if since is None or not self._heard else time.monotonic() - since
