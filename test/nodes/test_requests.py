"""Whatever the fields of a request hold, it becomes a value or is refused in one line that names them."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Duration, Time
from hypothesis import given
from hypothesis import strategies as st

from amf_msgs.action import ExecutePolicy, FineTune, RecordDemonstration
from amf_msgs.srv import FinishRecording
from amf_ros.core.errors import BadRequest
from amf_ros.core.values import Outcome, Source
from amf_ros.ros import requests

int32 = st.integers(-(2**31), 2**31 - 1)
uint32 = st.integers(0, 2**32 - 1)
times = st.builds(Time, sec=int32, nanosec=uint32)
durations = st.builds(Duration, sec=int32, nanosec=uint32)
texts = st.text(max_size=400) | st.just("x" * 1_000_000) | st.sampled_from(["push", "../up", "a\0b", "\n"])
goals = st.one_of(
    st.tuples(
        st.just(requests.recording),
        st.builds(
            RecordDemonstration.Goal,
            task_id=texts,
            demonstration_id=texts,
            source=st.integers(0, 255),
            max_duration=durations,
            start_stamp=times,
        ),
    ),
    st.tuples(
        st.just(requests.episode),
        st.builds(
            ExecutePolicy.Goal,
            task_id=texts,
            rollout_id=texts,
            checkpoint_uri=texts,
            max_duration=durations,
            start_stamp=times,
        ),
    ),
    st.tuples(
        st.just(requests.tuning),
        st.builds(
            FineTune.Goal,
            demonstration_ids=st.lists(texts, max_size=3),
            num_steps=uint32,
            round=uint32,
            replace=st.booleans(),
        ),
    ),
)


@given(goals)
def test_any_goal_is_a_value_or_refused_in_one_line(case: tuple[Any, Any]) -> None:
    parse, goal = case
    try:
        value = parse(goal)
    except BadRequest as error:
        assert len(str(error)) < 600
        assert "\n" not in str(error)
    else:
        assert getattr(value, "start_ns", 0) >= 0
        assert getattr(value, "limit_ns", 0) >= 0


def good(**fields: Any) -> RecordDemonstration.Goal:
    return RecordDemonstration.Goal(**({"task_id": "push"} | fields))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (good(source=7), "source is 7; allowed: 0 UNKNOWN, 1 SCRIPTED_EXPERT"),
        (good(task_id=""), "task_id is empty"),
        (good(demonstration_id="x" * 300), "longer than 256 characters"),
        (good(max_duration=Duration(sec=-1)), "max_duration is -1 s"),
        (good(max_duration=Duration(nanosec=2**32 - 1)), "max_duration.nanosec is 4294967295"),
        (good(start_stamp=Time(sec=-5)), "start_stamp is -5 s"),
    ],
)
def test_what_a_recording_may_not_ask_is_named(goal: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said.replace("(", r"\(")):
        requests.recording(goal)


def test_a_recording_is_read_whole() -> None:
    goal = good(source=2, seed=9, max_duration=Duration(sec=2), start_stamp=Time(sec=3, nanosec=1))
    expected = requests.RecordingRequest("push", "", 9, Source.TELEOPERATION, 2.0, 3_000_000_001)
    assert requests.recording(goal) == expected


def test_an_ending_needs_an_outcome_and_a_stamp_after_the_start() -> None:
    assert requests.ending(FinishRecording.Request(outcome=2), 5) == (Outcome.FAILURE, 0)
    with pytest.raises(BadRequest, match="outcome is 99; allowed: 0 UNLABELED, 1 SUCCESS, 2 FAILURE"):
        requests.ending(FinishRecording.Request(outcome=99), 0)
    with pytest.raises(BadRequest, match="before the recording's start"):
        requests.ending(FinishRecording.Request(end_stamp=Time(nanosec=4)), 5)
    with pytest.raises(BadRequest, match="s after the newest state; use a stamp of the robot's clock"):
        requests.ending(FinishRecording.Request(end_stamp=Time(sec=1_795_000_000)), 5, 10**9)


def test_a_training_names_each_demonstration_once() -> None:
    with pytest.raises(BadRequest, match="demonstration_ids names one twice"):
        requests.tuning(FineTune.Goal(demonstration_ids=["a", "b", "a"]))


def test_a_training_is_bounded_and_replaces_only_a_round_that_is_named() -> None:
    with pytest.raises(BadRequest, match="num_steps is 4294967295"):
        requests.tuning(FineTune.Goal(num_steps=2**32 - 1))
    with pytest.raises(BadRequest, match="set round"):
        requests.tuning(FineTune.Goal(replace=True))
