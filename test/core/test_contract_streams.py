"""Numbers and pictures of a contract's topics."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from support.contracts import ALL, OBJECTS, ROLES

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointState, SceneState

DATA: dict[str, Any] = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())


IMAGE = {"type": "sensor_msgs/msg/Image"}
VIEW = {"feature": "image", "topic": "camera/image_raw", "width": 96, "height": 72}
ARRAY = {
    "type": "std_msgs/msg/Float64MultiArray",
    "names": ["a", "b", "c"],
    "align": {"stamp": "receive"},
}


def made(observations, **topics):
    data = copy.deepcopy(DATA)
    data["topics"].update({name.replace("__", "/"): topic for name, topic in topics.items()})
    data["observations"].update(observations)
    return Contract(parse(data, ContractSpec, "c.yaml"), "c")


def test_a_picture_is_an_entry_of_its_own():
    contract = made({"observation.images.wrist": [VIEW]}, camera__image_raw=IMAGE)
    entry = contract.layout.entries[-1]
    assert (entry.name, entry.shape, entry.dtype) == ("observation.images.wrist", (72, 96, 3), "uint8")
    assert contract.layout.elements == load_contract("panda_tabletop").layout.elements
    depth = {**VIEW, "encoding": "16UC1"}
    other = made({"observation.images.wrist": [depth]}, camera__image_raw=IMAGE)
    assert other.layout.entries[-1].dtype == "uint16" and other.layout.entries[-1].shape == (72, 96, 1)
    assert contract.hash != other.hash != load_contract("panda_tabletop").hash


def test_numbers_are_joined_by_name_and_named_by_topic():
    feature = {"feature": "numbers", "topic": "gauges", "elements": ["c", "a"]}
    contract = made({"observation.gauges": [feature]}, gauges=ARRAY)
    assert contract.layout.elements[-2:] == ("gauges.c", "gauges.a")
    value = contract.read("gauges", SimpleNamespace(data=[1.0, 2.0, 3.0]))
    joint = JointState(0, ALL, np.zeros(8), np.zeros(8))
    seen = SceneState(0, OBJECTS, np.tile([0.0] * 6 + [1.0], (4, 1)))
    inputs = {
        "joint_states": joint,
        "scene_state": seen,
        "gauges": replace(value, stamp_ns=joint.stamp_ns),
    }
    assert contract.observe(inputs, ROLES).values["observation.gauges"].tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("observations", "topics", "problem"),
    [
        (
            {"i": [VIEW]},
            {},
            "topic 'camera/image_raw' is not among topics; allowed are topics of types sens",
        ),
        ({"i": [VIEW]}, {"camera__image_raw": ARRAY}, "is of type std_msgs/msg/Float64MultiArray"),
        ({"i": [VIEW, VIEW]}, {"camera__image_raw": IMAGE}, "joins a picture with something else"),
        ({"i": [VIEW | {"crop": [0, 0, 0, 5]}]}, {"camera__image_raw": IMAGE}, "crop is .*1 or more"),
        ({"i": [VIEW | {"encoding": "bgr8"}]}, {"camera__image_raw": IMAGE}, "encoding"),
        (
            {"g": [{"feature": "numbers", "topic": "g", "elements": ["d"]}]},
            {"g": ARRAY},
            "g has no element 'd'; it has a, b, c",
        ),
        ({}, {"g": ARRAY | {"names": []}}, "names is needed"),
        ({}, {"g": ARRAY | {"align": {}}}, "has no header to take times from"),
        ({}, {"g": IMAGE | {"names": ["a"]}}, "names belongs to types without names"),
        (
            {},
            {"g": {"type": "sensor_msgs/msg/PointCloud2"}},
            "is not read; allowed: sensor_msgs/msg/JointSt",
        ),
    ],
)
def test_what_does_not_fit_is_said(observations, topics, problem):
    with pytest.raises(ConfigError, match=problem):
        made(observations, **topics)
