"""The one place where an unexpected error of a callback ends: logged, the arm secured, the caller answered.

rclpy lets an exception of a callback leave ``spin_once``, and its events executor dies of one that a task
lets out (ADR 9). So every callback of a node runs inside :class:`Guard`; ``AmfNode`` puts it there by itself.
Imports errors only.

    guard = Guard(node.get_logger, secure=node.secure)
    callback = guard.of(self._on_message, "a message on joint_states")

The rule: a node goes on after an error of a message, a request, a goal or a task, whatever it was, since
those come from outside and the next one may be fine. It leaves in good order, for its supervisor to start it
again, when the same timer failed :data:`TIMER_FAILURES` times in a row: what it does by itself is broken.
"""

from __future__ import annotations

import functools
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from amf_ros.core.errors import AmfError

TIMER_FAILURES = 20
SAY_AGAIN_S = 10.0  # an error that was logged with its traceback is mentioned again at most this often
LONGEST_TEXT = 2_000  # characters of an error text on the wire
_MOST_KEPT = 256

A = TypeVar("A")
_ROOM = threading.Lock()


def text_of(error: BaseException) -> str:
    """Return an error as a text for ``error_msg``: valid UTF-8, without NUL, not too long to be read."""
    text = _clean(str(error) if isinstance(error, AmfError) else f"{type(error).__name__}: {error}")
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... (cut)"


def _clean(text: str) -> str:
    """Return a text that rclpy can log and send: half a surrogate pair makes both fail."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def unknown_error(answer: A, error: BaseException) -> A:
    """Fill a response or result with UNKNOWN and the error's text, whatever fields its type has for that."""
    target: Any = answer
    if hasattr(target, "error_code"):
        target.error_code, target.error_msg = target.UNKNOWN, text_of(error)
    elif hasattr(target, "success"):
        target.success = False
        target.message = text_of(error)
    return answer


class Guard:
    """Runs the callbacks of one node so that no exception leaves them.

    Args:
        logger: returns the node's logger; a function, since the first callbacks are made before it is there.
        secure: called after an error, with the error: leaves arm and open work in a safe state.
    """

    def __init__(self, logger: Callable[[], Any], secure: Callable[[BaseException], None]) -> None:
        self._logger, self._secure = logger, secure
        self._said: dict[tuple[str, str], list[float]] = {}
        self.broken = ""

    def of(
        self,
        callback: Callable[..., Any],
        what: str,
        otherwise: Callable[..., Any] | None = None,
    ) -> Callable[..., Any]:
        """Return ``callback`` guarded; its signature stays, since rclpy looks at it.

        An error in a callback of rclpy's own, as for a ``/clock`` that goes back before 1970, is only logged.

        Args:
            callback: of a subscription, service, task or event.
            what: it handles, for the log.
            otherwise: called with the error and the callback's arguments; its value is returned instead.
        """
        ours = not (getattr(callback, "__module__", None) or "").startswith("rclpy.")

        @functools.wraps(callback)
        def guarded(*args: Any, **options: Any) -> Any:
            try:
                return callback(*args, **options)
            except Exception as error:  # noqa: BLE001 - this is where they end
                self.caught(error, what, secure=ours)
                return otherwise(error, *args, **options) if otherwise is not None else None

        return guarded

    def timer(self, callback: Callable[[], Any], what: str) -> Callable[[], None]:
        """Return a timer's callback guarded; too many failures in a row make :attr:`broken` say why."""
        failures = 0

        @functools.wraps(callback)
        def guarded() -> None:
            nonlocal failures
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - this is where they end
                failures += 1
                self.caught(error, what)
                if failures >= TIMER_FAILURES:
                    self.broken = f"{what} failed {failures} times in a row: {text_of(error)}"
            else:
                failures = 0

        return guarded

    def caught(self, error: BaseException, what: str, *, secure: bool = True) -> None:
        """Log an error once with its traceback, later ones of its kind shortly; then secure the node."""
        self._say(error, what)
        if not secure:
            return
        try:
            self._secure(error)
        except Exception as worse:  # noqa: BLE001 - nothing below this may fail
            self._say(worse, f"making safe after an error of {what}")

    def _say(self, error: BaseException, what: str) -> None:
        where = traceback.extract_tb(error.__traceback__)
        key = (what, f"{type(error).__name__} {where[-1].filename}:{where[-1].lineno}" if where else "")
        now = time.monotonic()
        with _ROOM:
            if key not in self._said and len(self._said) >= _MOST_KEPT:
                self._said.clear()
            first = key not in self._said
            count, last = self._said.setdefault(key, [0.0, now])
            self._said[key][0] = count + 1
            if not first and now - last < SAY_AGAIN_S:
                return
            self._said[key][1] = now
        if first:
            lines = "".join(traceback.format_exception(error))
            self._logger().error(f"unexpected error in {what}; the node goes on\n{_clean(lines[-8_000:])}")
        else:
            self._logger().error(f"again, time {int(count) + 1}: {what}: {text_of(error)[:200]}")


class GuardedWaitable:
    """Mix-in before rclpy's ActionServer or ActionClient: their own code lets no error out either.

    Bytes on a service topic that are no request, or bookkeeping of goals that expire, end in the guard.
    """

    def __init__(self, node: Any, *args: Any, **options: Any) -> None:
        self._guard = node.guard
        super().__init__(node, *args, **options)  # type: ignore[call-arg]

    def take_data(self) -> Any:
        """Take what came as rclpy does, or nothing where that fails."""
        try:
            return super().take_data()  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - this is where they end
            self._guard.caught(error, "taking what came for an action", secure=False)
            return {}

    async def execute(self, taken_data: Any) -> None:
        """Act on what came as rclpy does."""
        try:
            await super().execute(taken_data)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - this is where they end
            self._guard.caught(error, "serving an action", secure=False)
