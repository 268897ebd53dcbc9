"""Values -> messages, and small ones back. Message classes only, no nodes.

    msg = to_msg("sensor_msgs/msg/JointState", joints)

What a contract can name is read and written by :mod:`amf_ros.contract.codecs`, as from a recording.
Messages are made anew for each call: a published message must not change under a reader in the process.
"""

from __future__ import annotations

import array
import importlib
import struct
from functools import lru_cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time

from amf_msgs.msg import Checkpoint as CheckpointMsg
from amf_msgs.msg import Demonstration as DemonstrationMsg
from amf_msgs.msg import RecorderState, TaskScore
from amf_ros.contract.codecs import NS, to_message
from amf_ros.core.errors import ConfigError
from amf_ros.core.values import CheckpointInfo, Value
from amf_ros.ros.names import BASE_FRAME
from amf_ros.selection.base import Problem, Selection
from amf_ros.store.metadata import About, DemonstrationInfo


def time_msg(stamp_ns: int) -> Time:
    """Integer nanoseconds to a message."""
    return Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS)


def duration_msg(seconds: float) -> Duration:
    """Seconds, not negative, to a message."""
    total = round(seconds * NS)
    return Duration(sec=total // NS, nanosec=total % NS)


def to_ns(stamp: Time | Duration) -> int:
    """Turn a time or duration message into integer nanoseconds."""
    return int(stamp.sec) * NS + int(stamp.nanosec)


def to_seconds(duration: Duration) -> float:
    """Turn a duration message into seconds."""
    return to_ns(duration) / NS


def header_stamp_ns(raw: bytes) -> int:
    """Header stamp of a serialised message whose first field is a ``std_msgs/Header``.

    CDR: four bytes of encapsulation (the second: 0 big-endian, 1 little-endian), then sec and nanosec.
    """
    sec, nanosec = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(sec) * NS + int(nanosec)


def to_msg(type_: str, value: Value, frame_id: str = BASE_FRAME) -> Any:
    """Write a value as a message of a type that a contract can name; see :mod:`amf_ros.contract.codecs`."""
    return to_message(type_, value, message_class, frame_id)


@lru_cache(maxsize=256)
def message_class(type_: str) -> Any:
    """Return the class of a type written ``package/msg/Name``.

    Raises:
        ConfigError: no such package or message in the sourced workspaces.
    """
    package, _, name = type_.replace("/msg/", "/").partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"message type {type_!r} is not in the sourced workspaces: {error}") from error


def demonstration_msg(info: DemonstrationInfo) -> DemonstrationMsg:
    """Metadata of a stored demonstration to a message."""
    return DemonstrationMsg(
        id=info.id,
        task_id=info.task_id,
        uri=info.uri,
        source=int(info.source),
        outcome=int(info.outcome),
        stamp=time_msg(info.stamp_ns),
        duration=duration_msg(info.duration_s),
        num_steps=info.num_steps,
    )


def recorder_state_msg(stamp: Time, about: About | None) -> RecorderState:
    """Say in a message what is being recorded, or that nothing is."""
    if about is None:
        return RecorderState(stamp=stamp)
    return RecorderState(
        stamp=stamp,
        recording=True,
        task_id=about.task_id,
        demonstration_id=about.id,
        seed=about.seed,
        start_stamp=time_msg(about.start_stamp_ns),
    )


def checkpoint_msg(info: CheckpointInfo | None) -> CheckpointMsg:
    """Metadata of a checkpoint to a message; all empty for None."""
    if info is None:
        return CheckpointMsg()
    return CheckpointMsg(
        id=info.id,
        uri=info.uri,
        policy_type=info.policy_type,
        round=info.round,
        num_demonstrations=info.num_demonstrations,
        stamp=time_msg(info.stamp_ns),
    )


def to_checkpoint(msg: CheckpointMsg) -> CheckpointInfo:
    """Turn a message into metadata of a checkpoint."""
    return CheckpointInfo(
        msg.id, msg.uri, msg.policy_type, int(msg.round), int(msg.num_demonstrations), to_ns(msg.stamp)
    )


def score_msgs(problem: Problem, selection: Selection) -> list[TaskScore]:
    """Return a strategy's scores beside what was known of each task, best first."""
    records = {record.id: record for record in problem.tasks}
    return [
        TaskScore(
            task_id=score.task_id,
            score=float(score.score),
            information_gain=float(score.information_gain),
            posterior_std=float(score.posterior_std),
            num_demonstrations=records[score.task_id].num_demonstrations,
            num_episodes=records[score.task_id].num_episodes,
            num_successes=records[score.task_id].num_successes,
            demonstration_s=float(records[score.task_id].demonstration_s),
            reason=score.reason,
        )
        for score in selection.scores
    ]


def gains_msg(selection: Selection) -> tuple[list[str], array.array[float]]:
    """Columns, and the matrix row by row; both empty where the strategy computes none."""
    if selection.gains is None:
        return [], array.array("f")
    rows = np.ascontiguousarray(selection.gains, dtype=np.float32)
    return list(selection.targets), array.array("f", rows.tobytes())
