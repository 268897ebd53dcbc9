from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from mcap_ros2._dynamic import generate_dynamic

from amf_ros.contract.codecs import to_value
from amf_ros.core.errors import DataError
from amf_ros.core.values import JointCommand
from amf_ros.store.schemas import schema_text

STAMP = SimpleNamespace(stamp=SimpleNamespace(sec=-1, nanosec=999_999_999))


def test_every_type_in_it_is_defined_once():
    text = schema_text("amf_msgs/msg/SceneState")
    blocks = text.split("=" * 80 + "\n")
    assert blocks[0].startswith("std_msgs/Header header")
    assert [block.splitlines()[0] for block in blocks[1:]] == [
        "MSG: std_msgs/Header",
        "MSG: builtin_interfaces/Time",
        "MSG: geometry_msgs/Pose",
        "MSG: geometry_msgs/Point",
        "MSG: geometry_msgs/Quaternion",
    ]
    assert "amf_msgs/msg/SceneState" in generate_dynamic("amf_msgs/msg/SceneState", text)


def test_fields_of_all_forms_are_followed(share):
    folder = share / "forms" / "msg"
    folder.mkdir(parents=True)
    (folder / "Leaf.msg").write_text("uint8 A=1\nuint8 a\n")
    (folder / "Root.msg").write_text(
        "# forms/NotAField x\nuint8 NEAR=1\nstring<=10 name\nstring<=4[<=3] names\nfloat64[9] covariance\n"
        "Leaf[] leaves\nforms/Leaf one\nLeaf[<=3] few\nstd_msgs/Header header # comment\nbool[] flags\n"
    )
    text = schema_text("forms/msg/Root")
    assert text.count("MSG: ") == 3
    assert text.count("MSG: forms/Leaf") == 1
    assert schema_text("forms/Root") == text


def test_a_missing_definition_says_what_to_source(share):
    with pytest.raises(DataError, match="no definition of absent_msgs/msg/Imu: source the workspace"):
        schema_text("absent_msgs/msg/Imu")


@pytest.mark.parametrize("type_", ["JointState", "a/b/c/d", "", "sensor_msgs/srv/JointState", "/x"])
def test_a_name_that_is_no_type_is_refused(type_):
    with pytest.raises(DataError, match="is not package/msg/Name"):
        schema_text(type_)


def test_velocities_that_are_not_given_are_not_made_up():
    message = SimpleNamespace(header=STAMP, name=["a", "b"], position=[1.0, 2.0], velocity=[])
    value = to_value("sensor_msgs/msg/JointState", message)
    assert np.isnan(value.velocity).all()
    assert value.stamp_ns == -1


def test_velocities_of_another_length_are_as_if_not_given():
    message = SimpleNamespace(header=STAMP, name=["a", "b"], position=[1.0, 2.0], velocity=[1.0])
    assert np.isnan(to_value("sensor_msgs/msg/JointState", message).velocity).all()


def point(ms, *positions):
    return SimpleNamespace(
        positions=list(positions), time_from_start=SimpleNamespace(sec=ms // 1000, nanosec=ms % 1000 * 10**6)
    )


def plan(*points):
    message = SimpleNamespace(header=STAMP, joint_names=["a", "b"], points=list(points))
    return to_value("trajectory_msgs/msg/JointTrajectory", message)


def test_a_trajectory_without_points_means_stop():
    assert plan().stops and plan().at(0) is None


def test_a_trajectory_of_several_points_is_sampled_along_straight_lines():
    made = plan(point(100, 1.0, 0.0), point(1100, 3.0, -1.0))
    assert [made.at(ms * 10**6).position.tolist() for ms in (0, 100, 600, 1100, 9000)] == [
        [1.0, 0.0],
        [1.0, 0.0],
        [2.0, -0.5],
        [3.0, -1.0],
        [3.0, -1.0],
    ]
    assert made.at(50 * 10**6, np.array([0.0, 1.0])).position.tolist() == [0.5, 0.5]
    assert made.at(50 * 10**6).stamp_ns == made.stamp_ns + 50 * 10**6 and made.at(0).names == ("a", "b")


def test_one_point_is_the_target_whatever_its_time():
    assert isinstance(plan(point(500, 1.0, 2.0)), JointCommand)


@pytest.mark.parametrize("times", [(100, 100), (200, 100), (0, 0), (-1, 5)])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(DataError, match="times must increase"):
        plan(*(point(ms, 0.0, 0.0) for ms in times))


@pytest.mark.parametrize(
    ("type_", "fields", "problem"),
    [
        ("sensor_msgs/msg/JointState", {"name": ["a"], "position": [], "velocity": []}, "0 positions"),
        ("amf_msgs/msg/SceneState", {"names": ["a"], "poses": []}, "1 names and 0 poses"),
        (
            "trajectory_msgs/msg/JointTrajectory",
            {"joint_names": [], "points": [SimpleNamespace(positions=[])]},
            "for 0 joints has a point",
        ),
        (
            "trajectory_msgs/msg/JointTrajectory",
            {"joint_names": ["a"], "points": [SimpleNamespace(positions=[1.0, 2.0])]},
            "for 1 joints has a point with 2 positions",
        ),
        ("std_msgs/msg/String", {}, "no value for messages of type"),
    ],
)
def test_a_message_whose_parts_do_not_fit_is_refused(type_, fields, problem):
    with pytest.raises(DataError, match=problem):
        to_value(type_, SimpleNamespace(header=STAMP, **fields))
