from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import yaml

from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.robot_file import GripperSpec, RobotFile, load_robot_file
from amf_ros.contract import load_contract
from amf_ros.core.config import parse
from amf_ros.core.errors import ConfigError, UnknownName
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointCommand, JointState

SHIPPED = sorted(path.stem for path in find_config("robots", "panda").parent.glob("*.yaml"))
DATA: dict[str, Any] = yaml.safe_load(find_config("robots", "panda").read_text())


def changed(change) -> RobotFile:
    data = copy.deepcopy(DATA)
    change(data)
    return parse(data, RobotFile, "arm.yaml")


def refusal(change) -> str:
    with pytest.raises(ConfigError) as caught:
        changed(change)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture(params=SHIPPED)
def robot(request) -> RobotFile:
    return load_robot_file(request.param)


class TestShippedFiles:
    def test_the_five_arms_ship(self):
        assert {"panda", "fr3", "ur5e", "xarm6", "so101"} <= set(SHIPPED)

    def test_names_are_unique_and_those_of_the_files(self):
        assert [load_robot_file(name).name for name in SHIPPED] == SHIPPED

    def test_its_contract_fits_it(self, robot):
        contract = load_contract(robot.contract)
        contract.check_robot(robot.joints)
        assert set(contract.needs) == set(robot.joints)

    def test_home_names_every_joint_and_lies_within_limits(self, robot):
        assert set(robot.home) == set(robot.joints)
        for joint, position in robot.home.items():
            assert robot.limits[joint].lower <= position <= robot.limits[joint].upper

    def test_a_gate_can_be_made_of_its_limits(self, robot):
        assert tuple(robot.joint_limits) == robot.joints
        SafetyGate(robot.joint_limits, 0.05, velocity_scale=robot.velocity_scale)

    def test_the_arm_is_bounded_in_acceleration_and_following_error(self, robot):
        for joint in robot.arm_joints:
            assert robot.limits[joint].acceleration is not None
            assert robot.limits[joint].following_error == 0.2

    def test_closed_and_open_are_the_contracts_range(self, robot):
        contract = yaml.safe_load(find_config("contracts", robot.contract).read_text())
        ranges = [element["range"] for element in contract["action"]["elements"] if "range" in element]
        gripper = robot.gripper
        assert ranges == ([] if gripper is None else [[gripper.closed, gripper.open]])

    def test_every_joint_has_a_state(self, robot):
        assert all(robot.state_of(joint) in robot.states for joint in robot.joints)


def test_the_pandas_limits_are_its_urdfs():
    pybullet = pytest.importorskip("pybullet")
    data = pytest.importorskip("pybullet_data")
    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(f"{data.getDataPath()}/franka_panda/panda.urdf", physicsClientId=client)
        count = pybullet.getNumJoints(body, physicsClientId=client)
        rows = [pybullet.getJointInfo(body, index, physicsClientId=client) for index in range(count)]
    finally:
        pybullet.disconnect(client)
    urdf = {row[1].decode(): (row[8], row[9], row[11], row[10]) for row in rows}
    limits = load_robot_file("panda").limits
    found = {
        joint: (limit.lower, limit.upper, limit.velocity, limit.effort) for joint, limit in limits.items()
    }
    assert found == {joint: urdf[joint] for joint in limits}


def test_addresses_are_those_of_the_drivers():
    panda, ur5e, fr3 = (load_robot_file(name) for name in ("panda", "ur5e", "fr3"))
    assert panda.arm.address == "panda_arm_controller/joint_trajectory"
    assert panda.gripper is not None and panda.gripper.address == "panda_hand_controller/joint_trajectory"
    assert panda.controllers == ("panda_arm_controller", "panda_hand_controller")
    assert ur5e.controllers == ("scaled_joint_trajectory_controller",)
    assert ur5e.arm_joints == ur5e.joints
    assert fr3.gripper is not None and fr3.gripper.address == "franka_gripper/gripper_action"
    assert fr3.controllers == ("fr3_arm_controller",)
    so101 = load_robot_file("so101").gripper
    assert so101 is not None and so101.address == "gripper_controller/gripper_cmd"


def test_a_ur_moves_while_its_program_runs_and_nothing_is_wrong():
    safety = {topic.topic.rsplit("/")[-1]: topic for topic in load_robot_file("ur5e").safety}
    assert safety["robot_program_running"].may_move == (True,)
    assert not safety["robot_program_running"].optional
    assert safety["safety_mode"].may_move == (1, 2) and safety["safety_mode"].optional
    assert safety["robot_mode"].may_move == (7,) and safety["robot_mode"].optional
    assert [type(value) for value in safety["safety_mode"].may_move] == [int, int]


class TestRefusals:
    def test_missing_limits(self):
        message = refusal(lambda data: data["limits"].pop("panda_joint3"))
        assert "limits lacks 'panda_joint3'" in message

    def test_no_limits_at_all(self):
        assert "limits" in refusal(lambda data: data.pop("limits"))

    def test_limits_of_a_strange_joint(self):
        limit = {"lower": 0, "upper": 1, "velocity": 1}
        message = refusal(lambda data: data["limits"].update(elbow=limit))
        assert "limits names 'elbow'" in message

    def test_limits_in_the_wrong_order(self):
        message = refusal(lambda data: data["limits"]["panda_joint1"].update(lower=3.0))
        assert "limits.panda_joint1" in message and "lower must be below upper" in message

    def test_home_outside_of_the_limits(self):
        message = refusal(lambda data: data["home"].update(panda_joint4=0.5))
        assert "home of panda_joint4 is 0.5, outside" in message

    def test_a_joint_twice(self):
        assert "joints lists one of them twice" in refusal(lambda data: data["joints"].append("panda_joint1"))

    def test_a_gripper_without_a_controller(self):
        message = refusal(lambda data: data["gripper"].pop("controller"))
        assert "gripper" in message and "controller is needed" in message

    def test_a_gripper_that_opens_beyond_its_joint(self):
        assert "gripper: 0.08" in refusal(lambda data: data["gripper"].update(open=0.08))

    def test_a_gripper_that_does_not_move(self):
        assert "open and closed must differ" in refusal(lambda data: data["gripper"].update(open=0.0))

    def test_an_unknown_key(self):
        assert "velocty_scale" in refusal(lambda data: data.update(velocty_scale=0.1))

    def test_an_unknown_key_within(self):
        assert "arm.contoller" in refusal(lambda data: data["arm"].update(contoller="x"))

    def test_the_controllers_own_order_must_hold_all_of_its_joints(self):
        assert "arm.joints must name" in refusal(lambda data: data["arm"].update(joints=["panda_joint1"]))

    def test_a_joint_without_a_state(self):
        def change(data):
            data["states"] = [{"topic": "joint_states", "joints": data["joints"][:-1]}]

        assert "states: no topic says 'panda_finger_joint1'" in refusal(change)

    def test_two_topics_for_the_rest(self):
        assert "at most one topic" in refusal(lambda data: data["states"].append({"topic": "more"}))

    def test_no_file_named(self):
        with pytest.raises(ConfigError, match="robot_config is empty") as caught:
            load_robot_file("")
        assert all(name in str(caught.value) for name in SHIPPED)

    def test_a_name_that_does_not_ship(self):
        with pytest.raises(UnknownName, match="ur5x"):
            load_robot_file("ur5x")


def test_a_gripper_that_is_an_action_gets_its_target_at_once() -> None:
    robot = load_robot_file("fr3")
    gate = SafetyGate(robot.joint_limits, 0.05, velocity_scale=0.25)
    measured = JointState(
        0, robot.joints, np.array([*[robot.home[j] for j in robot.joints[:-1]], 0.0]), np.zeros(8)
    )
    passed = gate.filter(JointCommand(0, robot.joints[-1:], np.array([0.039])), measured)
    assert passed.position.tolist() == [0.039]


def test_an_option_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="command_scale is for numbers and actions"):
        GripperSpec(kind="joint_trajectory", controller="hand", open=1.0, closed=0.0, command_scale=2.0)
