"""Runs one node until a signal, and lets it leave in good order: arm held, files closed, exit code 0.

    def main() -> int:
        return run(RobotNode)

Signals are handled here and not by rclpy, because after rclpy's own handler the context is gone and a
node could not publish its last word. The events executor is spun in steps: its ``spin`` hung (facts).
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from amf_ros.errors import AmfError

EXIT_USAGE = 2  # a supervisor does not restart a node that ended with it
DIE_WITH_PARENT = "AMF_DIE_WITH_PARENT"  # environment: pid of the supervisor whose death ends this process
_SPIN_S = 0.1
_PATIENCE_S = 1.0
_PR_SET_PDEATHSIG = 1


class AmfNode(Node):
    """A node that is asked to finish before it is destroyed."""

    def begin_shutdown(self) -> None:
        """Stop motion and work; called once, while topics and services still answer."""

    def busy(self) -> bool:
        """Whether work that was told to stop is still winding down."""
        return False


def run(make: Callable[[], AmfNode], args: Sequence[str] | None = None, grace_s: float = 5.0) -> int:
    """Make a node and spin it until SIGINT or SIGTERM. Returns the exit code.

    Args:
        make: builds the node once rclpy is up.
        args: command line; None = ``sys.argv``.
        grace_s: how long work may wind down after the signal [s].
    """
    stop = _Stop()
    die_with_parent()
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
    executor = EventsExecutor()
    executor.add_node(node)
    try:
        while not stop.requested and rclpy.ok():
            executor.spin_once(timeout_sec=_SPIN_S)
        if rclpy.ok():
            _leave(node, executor, grace_s)
    except ExternalShutdownException:
        pass
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    del executor, node
    gc.collect()
    rclpy.get_default_context().destroy()  # takes the middleware's shared memory with it
    sys.stdout.flush()
    sys.stderr.flush()
    if "torch" in sys.modules:
        os._exit(0)  # taking torch apart takes seconds on a busy machine, and nothing is left to be saved
    return 0


def _leave(node: AmfNode, executor: EventsExecutor, grace_s: float) -> None:
    end = time.monotonic() + grace_s
    node.begin_shutdown()
    executor.spin_once(timeout_sec=0.0)
    while node.busy() and time.monotonic() < end:
        executor.spin_once(timeout_sec=_SPIN_S)
    for _ in range(10):  # results of goals that just ended
        executor.spin_once(timeout_sec=0.0)


class _Interrupted(BaseException):
    """A signal came while the node was being made."""


class _Stop:
    """Set by SIGINT and SIGTERM; one more, a second later, ends the process at once.

    On Ctrl-C a node gets two: the terminal's and that of the launch process that passes it on.
    """

    def __init__(self) -> None:
        self.requested = False
        self._at_s = 0.0
        self._at_once = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested and time.monotonic() - self._at_s > _PATIENCE_S:
            os._exit(128 + number)
        if not self.requested:
            self.requested, self._at_s = True, time.monotonic()
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


def die_with_parent() -> None:
    """End with SIGTERM when the supervisor that started this process is gone (Linux only).

    A supervisor killed with SIGKILL cannot stop its children; the kernel does it then.
    """
    parent = os.environ.get(DIE_WITH_PARENT)
    if not parent or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the call
        os.kill(os.getpid(), signal.SIGTERM)
