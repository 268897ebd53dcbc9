"""Runs one node until a signal, and lets it leave in good order: arm held, files closed, exit code 0.

    def main() -> int:
        return run(RobotNode)

Signals are handled here and not by rclpy, because after rclpy's own handler the context is gone and a
node could not publish its last word. The executor is spun in steps: ``spin`` of the events executor hung.
No callback of an :class:`AmfNode` lets an exception out (``guard.py``); what rclpy itself lets out of a step,
as for a message that cannot be deserialised, is caught here by the same rule.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock

from amf_ros.core.errors import AmfError
from amf_ros.ros import qos
from amf_ros.ros.node.executors import make_executor
from amf_ros.ros.node.guard import Guard, unknown_error
from amf_ros.ros.start.lifeline import die_with_parent, end_within, leave_within
from amf_ros.ros.start.shared_memory import remove_left_behind

EXIT_USAGE = 2  # a supervisor does not restart a node that ended with it
EXIT_BROKEN = 3  # one that left because it did not work any more is started again
_SPIN_S = 0.1
_SAY_AGAIN_S = 10.0
_STEP_FAILURES = 1000  # in a row; each may be a hostile message, and a broken executor fails at once
_FORCE_S = 2.0  # after the grace: sooner than a supervisor would, so that the log says where it hung


class AmfNode(Node):
    """A node whose callbacks are guarded, and that is asked to finish before it is destroyed.

    Attributes:
        threads: how many callbacks may run at once; more than one wants reentrant callback groups.
    """

    threads = 1

    def __init__(self, name: str, **options: Any) -> None:
        # Before rclpy's own: that one already makes services and subscriptions (parameters, /clock).
        self.guard = Guard(self.get_logger, self.secure)
        super().__init__(name, **options)

    def begin_shutdown(self) -> None:
        """Stop motion and work; called once, while topics and services still answer."""

    def busy(self) -> bool:
        """Say whether work that was told to stop is still winding down."""
        return False

    def secure(self, error: BaseException) -> None:
        """Make safe after an unexpected error of a callback: hold the arm, answer whom the work was for."""

    def post(self, work: Callable[..., Any], *args: Any) -> None:
        """Run ``work`` in the executor soon; may be called from any thread, and errors end in the guard."""
        executor = self.executor
        if executor is not None:
            executor.create_task(self.guard.of(work, "work handed to the executor"), *args)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], qos_profile: Any, **options: Any
    ) -> Any:
        """Subscribe as rclpy does, with ``callback`` and event callbacks guarded."""
        events = options.get("event_callbacks")
        for name, value in vars(events).items() if events is not None else ():
            if callable(value):
                setattr(events, name, self.guard.of(value, f"a {name} event of {topic}"))
        if msg_type is Clock:
            callback = self._after_1970(callback)
        guarded = self.guard.of(callback, f"a message on {topic}")
        return super().create_subscription(msg_type, topic, guarded, qos_profile, **options)

    def _after_1970(self, callback: Callable[[Clock], None]) -> Callable[[Clock], None]:
        """Keep from rclpy's clock what it cannot hold: negative seconds."""

        def on_clock(message: Clock) -> None:
            if message.clock.sec >= 0:
                callback(message)
                return
            text = f"ignored a /clock of {message.clock.sec} s: it must not be negative; see who publishes it"
            self.get_logger().warning(text, throttle_duration_sec=_SAY_AGAIN_S)

        return on_clock

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], **options: Any
    ) -> Any:
        """Serve as rclpy does, with room for many requests.

        A caller whose request ends in an error gets UNKNOWN and the error's text.
        """

        def failed(error: BaseException, request: Any, response: Any) -> Any:
            return unknown_error(srv_type.Response(), error)

        guarded = self.guard.of(callback, f"a request to {srv_name}", failed)
        options.setdefault("qos_profile", qos.SERVICE)
        return super().create_service(srv_type, srv_name, guarded, **options)

    def create_client(self, srv_type: Any, srv_name: str, **options: Any) -> Any:
        """Make a client as rclpy does, with room for the answers to many callers."""
        return super().create_client(srv_type, srv_name, **{"qos_profile": qos.SERVICE, **options})

    def create_timer(self, timer_period_sec: float, callback: Callable[[], Any], **options: Any) -> Any:
        """Make a timer as rclpy does, guarded; its node leaves when it fails time after time."""
        name = getattr(callback, "__name__", "work").strip("_")
        return super().create_timer(timer_period_sec, self.guard.timer(callback, f"timer {name}"), **options)


def run(make: Callable[[], AmfNode], args: Sequence[str] | None = None, grace_s: float = 5.0) -> NoReturn:
    """Make a node, spin it until SIGINT or SIGTERM, and end this process with an exit code.

    Args:
        make: builds the node once rclpy is up.
        args: command line; None = ``sys.argv``.
        grace_s: how long work may wind down after the signal [s]; a little later the process is ended.
    """
    try:
        code = _run(make, args, grace_s)
    except BaseException:  # noqa: BLE001 - nobody is above; what is wrong is told
        traceback.print_exc()
        code = 1
    with suppress(OSError):  # the terminal may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    # Never back to the interpreter: taking it apart while threads are at work aborted, or hung, deaf to
    # signals; with torch it takes seconds on a busy machine; and nothing is left to be saved.
    os._exit(code)


def _run(make: Callable[[], AmfNode], args: Sequence[str] | None, grace_s: float) -> int:
    stop = _Stop()
    leave_within(grace_s + _FORCE_S)
    die_with_parent()
    remove_left_behind()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        with stop.at_once():
            node = make()
    except _Interrupted:
        rclpy.try_shutdown()
        os._exit(0)  # half-made: nothing was promised to anybody yet
    except AmfError as error:
        sys.stderr.write(f"error: {error}\n")
        rclpy.try_shutdown()
        return EXIT_USAGE
    executor = make_executor(node.threads)
    executor.add_node(node)
    spin = _Spin(node, executor)
    with suppress(ExternalShutdownException):
        while not stop.requested and not node.guard.broken and rclpy.ok():
            spin.once(_SPIN_S)
        if node.guard.broken:
            node.get_logger().fatal(f"leaving, to be started again: {node.guard.broken}")
        end_within(grace_s + _FORCE_S)
        if rclpy.ok():
            _leave(node, spin, grace_s)
    code = EXIT_BROKEN if node.guard.broken else 0
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    del executor, node
    gc.collect()
    rclpy.get_default_context().destroy()  # takes the middleware's shared memory with it
    return code


def _leave(node: AmfNode, spin: _Spin, grace_s: float) -> None:
    end = time.monotonic() + grace_s
    node.guard.of(node.begin_shutdown, "shutting down")()
    spin.once(0.0)
    while node.busy() and time.monotonic() < end:
        spin.once(_SPIN_S)
    for _ in range(10):  # results of goals that just ended
        spin.once(0.0)


class _Spin:
    """Steps of the executor that let nothing out but the end of the context."""

    def __init__(self, node: AmfNode, executor: Any) -> None:
        self._node, self._executor, self._failures = node, executor, 0

    def once(self, timeout_s: float) -> None:
        try:
            self._executor.spin_once(timeout_sec=timeout_s)
        except ExternalShutdownException:
            raise
        except Exception as error:  # noqa: BLE001 - what rclpy lets out, e.g. for bytes that are no message
            self._failures += 1
            self._node.guard.caught(error, "a step of the executor", secure=False)
            if self._failures >= _STEP_FAILURES:
                self._node.guard.broken = f"the executor failed {self._failures} times in a row"
        else:
            self._failures = 0


class _Interrupted(BaseException):
    """A signal came while the node was being made."""


class _Stop:
    """Set by SIGINT and SIGTERM.

    On Ctrl-C a node gets two: the terminal's and that of the launch process that passes it on.
    """

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = True
            if self._at_once:
                raise _Interrupted

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Break off what is done here: imports and files that a node reads first may take seconds."""
        if self.requested:
            raise _Interrupted
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False
