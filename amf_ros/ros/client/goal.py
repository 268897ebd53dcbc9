"""One goal of an action while somebody waits for its result; ``Calls.act`` is the way to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient
from rclpy.task import Future

from amf_ros.core.errors import Cancelled
from amf_ros.ros.client.answers import Pulse, ServerLost, ServerUnavailable, dead_server, result_of
from amf_ros.ros.client.waiting import Waiting, begin

ANSWER_S = 5.0  # a goal that was not acknowledged for so long may have been lost
_POLL_S = (2.0, 10.0)  # how often a running goal is asked for its result: at first, and later
_CANCEL_S = 20.0  # for a cancelled goal to wind down and answer
_SENDINGS = 4


@dataclass(frozen=True)
class SendAgain:
    """When a goal may be sent a second time, because its server takes equal goals for one.

    Attributes:
        silence_s: nothing was heard of it for so long: its server may have died and come back [s].
        busy_code: the error code of a server that still works on the first one; 0 = it has none.
    """

    silence_s: float
    busy_code: int = 0


class RunningGoal:
    """One goal, and the same goal again where the server was replaced.

    Args:
        name: of the action.
        goal: to send.
        tell: called with each feedback, in the thread that spins.
        client: of the action.
        waiting: who spins, and how the caller waits.
        pulse: of the node behind the action.
        again: when the goal may be sent a second time; None = never.
        away_s: how long its node may be away or silent [s].
    """

    def __init__(
        self,
        name: str,
        goal: Any,
        tell: Callable[[Any], None],
        *,
        client: ActionClient,
        waiting: Waiting,
        pulse: Pulse,
        again: SendAgain | None,
        away_s: float,
    ) -> None:
        self._name, self._goal, self._tell = name, goal, tell
        self._client, self._waiting, self._pulse = client, waiting, pulse
        self._again, self._away_s = again, away_s
        self._handles: list[Any] = []
        self._ask_s, self._poll_s = 0.0, _POLL_S[0]
        self._heard_s = self._there_s = time.monotonic()
        self._lost: ServerLost | None = None
        self.result: Any = None

    def send(self) -> None:
        """Send the goal. Raises ServerUnavailable."""
        self._lost, more = None, bool(self._handles)
        for _ in range(_SENDINGS):
            self._heard_s = time.monotonic()
            self._waiting.run(self._pulse.beat)  # a node that dies in its first second was heard before
            reply = begin(self._waiting, lambda: self._client.send_goal_async(self._goal, self._heard))
            if self._waiting.until(reply.is_done, ANSWER_S):
                break
            if more:
                return  # the server is away; there will be another silence
        else:
            raise ServerUnavailable(f"{self._name} did not answer; look at the log of its node")
        if not reply.value.accepted:
            raise ServerUnavailable(f"{self._name} refused the goal; look at the log of its node")
        self._handles.append(reply.value)
        self._ask(reply.value)

    def look(self) -> None:
        """Feel the node's pulse, and ask for the result again: after a restart nobody knows the goal.

        Raises:
            ServerUnavailable: its node is dead, or away for too long.
        """
        now = time.monotonic()
        self._waiting.run(self._pulse.beat)
        if self._client.server_is_ready():
            self._there_s = now
        if now - self._ask_s > self._poll_s:
            self._poll_s = min(1.5 * self._poll_s, _POLL_S[1])
            self._ask(self._handles[-1])
        silent_s = max(self._pulse.silent_s, now - self._there_s)
        if silent_s > self._away_s:
            raise dead_server(self._name)
        if self._again is not None and (
            self._lost is not None or now - self._heard_s > self._again.silence_s
        ):
            self.send()

    def ended(self) -> bool:
        """Tell whether there is a result. Raises ServerLost where there is no hope of one."""
        if self.result is None and self._lost is not None and self._again is None:
            raise self._lost
        return self.result is not None

    def cancel(self) -> None:
        """Ask every goal to end and wait for the newest one's result, as long as its node lives."""

        def ask() -> None:
            for handle in self._handles:
                handle.cancel_goal_async()

        self._waiting.run(ask)
        end = time.monotonic() + _CANCEL_S
        while time.monotonic() < end and self.result is None:
            try:
                self._waiting.until(lambda: self.result is not None, 0.5)
            except Cancelled:  # that is why it is cancelled: wait all the same
                time.sleep(0.1)
            self._waiting.run(self._pulse.beat)
            if self._lost is not None or self._pulse.silent_s > ANSWER_S:
                return

    def _ask(self, handle: Any) -> None:
        self._ask_s, repeated = time.monotonic(), len(self._handles) > 1

        def ask() -> None:
            handle.get_result_async().add_done_callback(lambda done: self._answered(done, handle, repeated))

        self._waiting.run(ask)

    def _heard(self, message: Any) -> None:
        self._heard_s = time.monotonic()
        self._tell(message.feedback)

    def _answered(self, future: Future, handle: Any, repeated: bool) -> None:
        try:
            result = result_of(self._name, future.result())
        except ServerLost as error:
            if handle is self._handles[-1]:
                self._lost = error
                self._waiting.wake()
            return
        busy = self._again.busy_code if self._again is not None else 0
        if not (repeated and busy and result.error_code == busy):
            self.result = result
            self._waiting.wake()
