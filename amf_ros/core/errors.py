"""The errors of amf_ros. Imports nothing.

Each message names what is wrong, the value, what is allowed and what to do next, in one line.
Nodes put ``error_code`` on the wire (amf_msgs), the command line prints the message and exits with 1.

    raise UnknownName("task", "stak_red", known=suite.task_ids)
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path

LONGEST_NAME = 256  # characters; no longer one is looked up, compared or echoed whole
MOST_SHOWN = 32  # names that are listed
_ALLOWED_BY = {
    "strategy": "name it in the node's parameter allowed_strategies",
    "policy": "name it in the suite's `policies`, or in the nodes' parameter allowed_policies",
    "suite": "name it with --suite",
}


class AmfError(Exception):
    """Base of every error that a user can cause or mend; ``str()`` is one clear line.

    It is valid UTF-8 too: a file's name may hold bytes that are none, which no log and no message takes.
    """

    def __str__(self) -> str:
        return super().__str__().encode("utf-8", "backslashreplace").decode()


def shown(value: object, limit: int = 80) -> str:
    """Return a value from outside as an error message shows it: quoted, on one line, cut where it is long.

    Line ends and control characters are escaped, so what came over the network cannot forge a log line.
    """
    if isinstance(value, (str, bytes)):
        cut = repr(value[:limit])
        return cut if len(value) <= limit else f"{cut}... ({len(value)} characters)"
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def raised(error: BaseException) -> str:
    """Return what code that others wrote raised, and where, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {shown(str(error), 200)}{where}"


def listed(names: Iterable[str], most: int = MOST_SHOWN) -> str:
    """List names with commas, as an error message does; of many the first ones and how many more."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return (", ".join(_plain(name) for name in known[:most]) or "none") + more


def _plain(name: str) -> str:
    return name if len(name) <= LONGEST_NAME and name.isprintable() else shown(name)


class UnknownName(AmfError):
    """A name that no table knows: a task, strategy, policy, suite, robot or joint."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        # Comparing takes time by the length of both: nobody mistypes a thousand characters.
        near = difflib.get_close_matches(name, self.known, n=1) if len(name) <= LONGEST_NAME else []
        hint = f"did you mean {shown(near[0])}? " if near else ""
        super().__init__(f"unknown {kind} {shown(name)}: {hint}known: {listed(self.known)}")


class BadRequest(AmfError):
    """A field of a request that is not allowed; names field, value and what is. Nothing was done."""


class ConfigError(AmfError):
    """A file or parameter that does not say what it must; names file, key, value and what is allowed."""


class NotAllowed(ConfigError):
    """A path to code that came over the network or in a file, and that nobody here has allowed."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(
            f"{kind} {shown(name)} came in a request or a file, where it is not trusted; allowed: "
            f"{listed(sorted(known))}; to allow more, {_ALLOWED_BY.get(kind, 'name it yourself')}"
        )


class ContractError(AmfError):
    """Robot, recording or checkpoint do not fit the contract; names the difference."""


class StaleObservation(AmfError):
    """An input stream is missing or older than the contract allows; names the stream and its age."""


class CheckpointError(AmfError):
    """A checkpoint is missing, unreadable, or made for other observations or actions."""


class CheckpointExists(CheckpointError):
    """A finished checkpoint has that place and was made from something else; nothing was replaced."""


class NoCheckpoint(CheckpointError):
    """There is no checkpoint yet."""


class DataError(AmfError):
    """A demonstration is missing, unreadable, empty or contradicts the store."""


class BadId(BadRequest, DataError):
    """An id that cannot be the name of a file."""


class BadMessage(DataError):
    """One message that cannot be used; ``topic`` and ``reason`` say which stream and why."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic, self.reason = topic, reason
        super().__init__(f"{topic}: {reason}")


class OutOfRange(BadMessage):
    """A whole message with a value that the contract's range, a limit or a sane step excludes."""


class ForeignFile(DataError):
    """A file that is not of the store in which it lies; it is left alone, and named where somebody looks."""


class StorageError(AmfError):
    """The disk is full or not writable; nothing half-written is left."""


class SelectionError(AmfError):
    """A request to a strategy that cannot be answered: bad weights, bad counts, not finite."""


class BadWeights(SelectionError):
    """Target weights of the wrong length, negative, not finite, or all zero."""


class NoEmbeddings(SelectionError):
    """There are no states of some task to embed: load a checkpoint, or execute the policy once per task."""


class OutOfTime(SelectionError):
    """A choice took longer than whoever asked for it waits."""


class IllConditioned(SelectionError):
    """The posterior covariance could not be factorised."""


class BadFeatures(SelectionError):
    """The policy's features of some states are NaN, infinite, or of another length."""


class RobotFault(AmfError):
    """The robot is stopped, faulted or refuses a command; it holds still."""


class CommandRefused(RobotFault):
    """A command that moved nothing.

    Attributes:
        reason: of what kind, in a word or two, to be counted by.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class PolicyFailed(AmfError):
    """The policy raised an error of its own, or gave an action that is none; nothing moves by it."""


class TrainingDiverged(AmfError):
    """The loss became NaN or infinite; the last good checkpoint stands."""


class PlanChanged(AmfError):
    """The session directory holds another plan; names the difference."""


class Cancelled(AmfError):
    """Somebody asked for the work to stop; what was finished is kept."""
