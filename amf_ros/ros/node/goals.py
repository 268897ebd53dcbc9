"""Action servers whose goals end later, from any thread, without blocking or busy-waiting the executor.

    server = Goals(node, FineTune, names.FINE_TUNE, on_goal=self._start, on_cancel=self._cancel)
    goal.feedback(FineTune.Feedback(step=3))
    goal.finish(FineTune.Result(error_code=...))

Every goal is accepted; what is wrong with it is said in its result, with a code. An ``async`` execute
callback would make the events executor spin at full load while it waits (measured: 1.99 of 2.00 s of CPU),
so goals are kept here and executed, in rclpy's sense, once their result is there: until then a client that
asks for the status sees ACCEPTED. Errors of the callbacks, and those that rclpy's own code lets out of the
server, end in the node's guard, and the goal is answered with UNKNOWN.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle

from amf_ros.core.errors import AmfError, UnknownName
from amf_ros.ros import qos
from amf_ros.ros.node.guard import GuardedWaitable, text_of, unknown_error

if TYPE_CHECKING:
    from amf_ros.ros.node.runtime import AmfNode

RESULT_KEPT_S = 60.0


class Goal:
    """One accepted goal."""

    def __init__(self, handle: ServerGoalHandle) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._finished = False

    @property
    def request(self) -> Any:
        """The goal message."""
        return self._handle.request

    @property
    def cancelled(self) -> bool:
        """Whether a client asked to cancel it."""
        return bool(self._handle.is_cancel_requested)

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self._finished

    def feedback(self, message: Any) -> None:
        """Publish feedback; silently nothing once finished."""
        with self._lock:
            if not self._finished:
                self._handle.publish_feedback(message)

    def finish(self, result: Any) -> None:
        """End the goal; the first call counts. Without an error code it has succeeded."""
        with self._lock:
            if self._finished:
                return
            self._finished = True

        def execute(handle: ServerGoalHandle) -> Any:
            if result.error_code == 0:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
            return result

        self._handle.execute(execute)


class Goals:
    """An action server.

    Args:
        on_goal: called with each goal, in the executor's thread; must not block.
        on_cancel: called with a goal that a client wants cancelled; the goal then finishes itself.
    """

    def __init__(
        self,
        node: AmfNode,
        action: Any,
        name: str,
        on_goal: Callable[[Goal], None],
        on_cancel: Callable[[Goal], None],
    ) -> None:
        self._node, self._name, self._action = node, name, action
        self._on_goal, self._on_cancel = on_goal, on_cancel
        self._goals: dict[bytes, Goal] = {}
        self.server = _Server(
            node,
            action,
            name,
            execute_callback=_never,
            goal_callback=lambda _: GoalResponse.ACCEPT,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
            result_timeout=RESULT_KEPT_S,
            **qos.ACTION,
        )

    def _accepted(self, handle: ServerGoalHandle) -> None:
        goal = Goal(handle)
        self._goals = {uuid: other for uuid, other in self._goals.items() if not other.finished}
        self._goals[bytes(handle.goal_id.uuid)] = goal
        self._guarded(self._on_goal, "a goal for", goal)

    def _guarded(self, callback: Callable[[Goal], None], what: str, goal: Goal) -> None:
        """Return an error ends the goal: after one nobody else would."""

        def answer(error: BaseException, goal: Goal) -> None:
            goal.finish(unknown_error(self._action.Result(), error))

        self._node.guard.of(callback, f"{what} {self._name}", answer)(goal)

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        goal = self._goals.get(bytes(handle.goal_id.uuid))
        if goal is None or goal.finished:
            return CancelResponse.REJECT
        # The state turns to CANCELING after this callback; the goal must not finish before it.
        self._node.post(self._guarded, self._on_cancel, "cancelling a goal of", goal)
        return CancelResponse.ACCEPT


class _Server(GuardedWaitable, ActionServer):
    """rclpy's, guarded: an error that leaves its coroutine would end the process in the events executor."""


def _never(_: ServerGoalHandle) -> Any:
    raise RuntimeError("goals are executed by Goal.finish")


# The class of an error, or the kind of an UnknownName ("task", "strategy"), and the code to tell it by.
Codes = Sequence[tuple[type[BaseException] | str, int]]


def failed(answer: Any, codes: Codes, error: BaseException) -> Any:
    """``answer`` (result or response) with the first code that fits, else UNKNOWN, and the text."""
    answer.error_code = next((code for kind, code in codes if _is(error, kind)), answer.UNKNOWN)
    answer.error_msg = text_of(error)
    return answer


def _is(error: BaseException, kind: type[BaseException] | str) -> bool:
    if isinstance(kind, str):
        return isinstance(error, UnknownName) and error.kind == kind
    return isinstance(error, kind)


def in_background(
    node: AmfNode, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
) -> threading.Thread:
    """Run ``work`` in a thread, then ``done(value, error)`` in the executor's thread.

    An error that is not ours is printed with its traceback where it happened, and passed on.
    """

    def target() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = work()
        except Exception as caught:  # noqa: BLE001 - handed to done, which answers the client with it
            error = caught
            if not isinstance(caught, AmfError):
                traceback.print_exc()
        node.post(done, value, error)

    thread = threading.Thread(target=target, name=f"{node.get_name()}-work", daemon=True)
    thread.start()
    return thread
