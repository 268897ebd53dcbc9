"""The tabletop's contract with other topics, and its names."""

from __future__ import annotations

import yaml

from amf_ros.contract import Contract
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.paths import find_config

MS = 1_000_000
START = 1_795_000_000_000_000_000
ARM = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGER = "panda_finger_joint1"
ALL = (*ARM, FINGER)
OBJECTS = ("tool0", "cube", "tray", "door")
ROLES = {"object": "cube", "target": "tray", "aux": "door"}


def contract_with(**topics: float) -> Contract:
    """The tabletop's, with these topics of joint states beside the scene, and their ages [ms]."""
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    joints = data["topics"].pop("joint_states")
    for name, age in topics.items():
        copied = {**joints, "align": {**joints["align"], "max_age_ms": age}, "min_rate_hz": 0}
        data["topics"][name.replace("__", "/")] = copied
    data["topics"]["scene_state"]["min_rate_hz"] = 0
    return Contract(parse(data, ContractSpec, "c.yaml"), "c")


WHOLE = contract_with(joint_states=100.0)


def sighted(**ages: float) -> Contract:
    """The tabletop's, with a camera and a wrist that feels forces beside it, and their ages [ms]."""
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    for topic in data["topics"].values():
        topic["min_rate_hz"] = 0
    for name, type_ in (("camera", "sensor_msgs/msg/Image"), ("wrench", "geometry_msgs/msg/WrenchStamped")):
        data["topics"][name] = {"type": type_, "align": {"max_age_ms": ages.get(name, 100.0)}}
    view = {"feature": "image", "topic": "camera", "width": 8, "height": 6}
    data["observations"]["observation.images.wrist"] = [view]
    data["observations"]["observation.force"] = [
        {"feature": "numbers", "topic": "wrench", "elements": ["force.z", "torque.x"]}
    ]
    return Contract(parse(data, ContractSpec, "c.yaml"), "sighted")
