"""Requests and goals -> values that are allowed, in one place: a node never looks at a raw field.

Each function takes a message of ``amf_msgs`` and returns a frozen value, or raises :class:`BadRequest` naming
the field, its value and what is allowed. Names of tasks, strategies and files are looked up later, by whoever
has the table. No node, no topic.

    wanted = recording(goal.request)
    wanted.source, wanted.limit_s
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from builtin_interfaces.msg import Duration, Time

from amf_ros.contract.codecs import NS
from amf_ros.core.errors import LONGEST_NAME, BadRequest, BadWeights, shown
from amf_ros.core.values import Outcome, Source
from amf_ros.ros.conversions import to_ns
from amf_ros.ros.selecting.question import Question

LONGEST_S = 24 * 3600.0  # of one demonstration or roll-out
MOST_STEPS = 10_000_000  # of one fine-tuning: weeks
MOST_IDS = 100_000
FURTHEST_NS = 3600 * NS  # a recorder may be behind whoever ends a recording; an hour is another clock

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True)
class RecordingRequest:
    """A goal of RecordDemonstration; an empty ``id`` is made by the recorder, ``limit_s`` 0 its default."""

    task_id: str
    id: str
    seed: int
    source: Source
    limit_s: float
    start_ns: int


@dataclass(frozen=True)
class EpisodeRequest:
    """A goal of ExecutePolicy; ``limit_ns`` 0 is the task's own, no ``checkpoint_uri`` the newest one."""

    task_id: str
    rollout_id: str
    checkpoint_uri: str
    limit_ns: int
    start_ns: int


@dataclass(frozen=True)
class TuningRequest:
    """A goal of FineTune."""

    initial_uri: str
    demonstration_ids: tuple[str, ...]
    num_steps: int
    round: int
    seed: int
    replace: bool


def recording(goal: Any) -> RecordingRequest:
    """Return what a goal of RecordDemonstration asks. Raises BadRequest."""
    return RecordingRequest(
        name("task_id", goal.task_id),
        optional_name("demonstration_id", goal.demonstration_id),
        int(goal.seed),
        one_of("source", goal.source, Source),
        duration_ns("max_duration", goal.max_duration) / NS,
        stamp_ns("start_stamp", goal.start_stamp),
    )


def ending(request: Any, start_ns: int, newest_ns: int = 0) -> tuple[Outcome, int]:
    """Return verdict and last stamp [ns] that a FinishRecording asks for.

    Args:
        request: as it came.
        start_ns: when what is to end began, 0 where nothing came yet [ns].
        newest_ns: stamp of the newest state, 0 where that is not known [ns].

    Raises:
        BadRequest: no such outcome, or a stamp from before the start, or of another clock than the robot's.
    """
    outcome, end_ns = one_of("outcome", request.outcome, Outcome), stamp_ns("end_stamp", request.end_stamp)
    if end_ns and end_ns < start_ns:
        raise BadRequest(
            f"end_stamp {end_ns} ns is before the recording's start at {start_ns} ns; "
            "use a stamp of the robot's clock, or zero for now"
        )
    if newest_ns and end_ns > newest_ns + FURTHEST_NS:
        raise BadRequest(
            f"end_stamp {end_ns} ns is {(end_ns - newest_ns) / NS:.0f} s after the newest state; "
            "use a stamp of the robot's clock, or zero for now"
        )
    return outcome, end_ns


def episode(goal: Any) -> EpisodeRequest:
    """Return what a goal of ExecutePolicy asks. Raises BadRequest."""
    return EpisodeRequest(
        name("task_id", goal.task_id),
        optional_name("rollout_id", goal.rollout_id),
        goal.checkpoint_uri,
        duration_ns("max_duration", goal.max_duration),
        stamp_ns("start_stamp", goal.start_stamp),
    )


def tuning(goal: Any) -> TuningRequest:
    """Return what a goal of FineTune asks. Raises BadRequest."""
    if goal.num_steps > MOST_STEPS:
        raise BadRequest(f"num_steps is {goal.num_steps}; at most {MOST_STEPS} are allowed, 0 = the default")
    if len(goal.demonstration_ids) > MOST_IDS:
        raise BadRequest(f"demonstration_ids has {len(goal.demonstration_ids)} ids; at most {MOST_IDS}")
    if len(set(goal.demonstration_ids)) != len(goal.demonstration_ids):
        raise BadRequest("demonstration_ids names one twice; name each once")
    if goal.replace and not goal.round:
        raise BadRequest("replace needs the round that is to be replaced; set round")
    return TuningRequest(
        goal.initial_checkpoint_uri,
        tuple(name("demonstration_ids", id_) for id_ in goal.demonstration_ids),
        int(goal.num_steps),
        int(goal.round),
        int(goal.seed),
        bool(goal.replace),
    )


def reset(request: Any) -> tuple[str, int]:
    """Return task id and seed that a ResetScene asks for. Raises BadRequest."""
    return name("task_id", request.task_id), int(request.seed)


def question(request: Any, default_strategy: str) -> Question:
    """Return what a request for the next task asks. Raises BadRequest, BadWeights.

    How many ids there may be depends on the suite: the selector refuses more than it has tasks.
    """
    most = request.MOST_TASKS
    if not 1 <= request.num_tasks <= most:
        few = "at least 1" if request.num_tasks < 1 else f"at most {most}"
        raise BadRequest(f"num_tasks is {request.num_tasks}; ask for {few}")
    for field in ("candidate_ids", "target_ids"):
        if len(getattr(request, field)) > MOST_IDS:
            raise BadRequest(f"{field} has {len(getattr(request, field))} ids; at most {MOST_IDS}")
    weights = tuple(map(float, request.target_weights))
    bad = next((weight for weight in weights if not 0 <= weight < math.inf), None)
    if bad is not None:
        raise BadWeights(f"a target weight is {bad}; weights are finite and not negative")
    return Question(
        tuple(name("candidate_ids", id_) for id_ in request.candidate_ids),
        tuple(name("target_ids", id_) for id_ in request.target_ids),
        weights,
        int(request.num_tasks),
        optional_name("strategy", request.strategy) or default_strategy,
        int(request.seed),
    )


def name(field: str, value: str) -> str:
    """Return a name or id that may be looked up. Raises BadRequest: empty or too long."""
    if not value:
        raise BadRequest(f"{field} is empty; give one")
    return optional_name(field, value)


def optional_name(field: str, value: str) -> str:
    """Return a name or id, or nothing. Raises BadRequest: too long."""
    if len(value) > LONGEST_NAME:
        raise BadRequest(f"{field} {shown(value)} is longer than {LONGEST_NAME} characters; shorten it")
    return value


def one_of(field: str, value: int, kind: type[E]) -> E:
    """Return a number of the wire as a member of its enumeration. Raises BadRequest."""
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(f"{member.value} {member.name}" for member in kind)
        raise BadRequest(f"{field} is {value}; allowed: {allowed}") from None


def duration_ns(field: str, value: Duration) -> int:
    """Return a duration [ns], 0 where none is given. Raises BadRequest: negative, or longer than a day."""
    total = _whole(field, value)
    if not 0 <= total <= LONGEST_S * NS:
        raise BadRequest(f"{field} is {total / NS:g} s; allowed: 0 (the default) to {LONGEST_S:g} s")
    return total


def stamp_ns(field: str, value: Time) -> int:
    """Return a stamp [ns]; zero means now. Raises BadRequest: before 1970, or not a time at all."""
    total = _whole(field, value)
    if total < 0:
        raise BadRequest(f"{field} is {total / NS:g} s; it is a stamp of the robot's clock, or zero for now")
    return total


def _whole(field: str, value: Time | Duration) -> int:
    if value.nanosec >= NS:
        raise BadRequest(f"{field}.nanosec is {value.nanosec}; it must be below {NS}")
    return to_ns(value)
