from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.frames import flat

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import ConfigError, ContractError, StaleObservation, UnknownName
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointCommand, JointState, SceneState, Task

MS = 1_000_000
ARM = tuple(f"panda_joint{i}" for i in range(1, 8))
JOINTS = (*ARM, "panda_finger_joint1")
OBJECTS = ("tool0", "cube", "tray", "door")
ROLES = {"object": "cube", "target": "tray", "aux": "door"}
DATA: dict[str, Any] = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract("panda_tabletop")


def changed(change) -> Contract:
    data = copy.deepcopy(DATA)
    change(data)
    return Contract(parse(data, ContractSpec, "c.yaml"), "c")


def with_features(*features: dict[str, Any]) -> Contract:
    return changed(lambda data: data.update(observations={"observation.state": list(features)}))


def joints(position=None, stamp_ns=0, names=JOINTS) -> JointState:
    position = np.linspace(-1, 1, len(names)) if position is None else np.asarray(position, dtype=float)
    return JointState(stamp_ns, tuple(names), position, np.full(len(names), np.nan))


def pose(xyz=(0.0, 0.0, 0.0), yaw=0.0, down=False) -> list[float]:
    rotation = Rotation.from_euler("z", yaw) * (
        Rotation.from_euler("x", np.pi) if down else Rotation.identity()
    )
    return [*xyz, *rotation.as_quat()]


def scene(*poses, stamp_ns=0) -> SceneState:
    rows = list(poses) + [pose()] * (len(OBJECTS) - len(poses))
    return SceneState(stamp_ns, OBJECTS, np.array(rows))


def observe(contract: Contract, joint_state: JointState, scene_state: SceneState, now_ns=None):
    return contract.observe({"joint_states": joint_state, "scene_state": scene_state}, ROLES, now_ns)


def element(contract: Contract, name: str, joint_state=None, scene_state=None) -> float:
    vector = flat(observe(contract, joint_state or joints(), scene_state or scene()))
    return float(vector[contract.layout.elements.index(name)])


class TestObserve:
    def test_every_element_has_its_name(self, contract):
        observation = observe(contract, joints(), scene())
        assert flat(observation).shape == (len(contract.layout.elements),)
        assert len(set(contract.layout.elements)) == len(contract.layout.elements)
        assert {key: len(value) for key, value in observation.values.items()} == {
            entry.name: len(entry.elements) for entry in contract.layout.entries
        }

    def test_positions_are_relative_along_the_base_axes(self, contract):
        state = scene(
            pose((0.4, 0.1, 0.3), yaw=1.0, down=True), pose((0.5, -0.1, 0.05)), pose((0.2, 0.2, 0.0))
        )
        assert element(contract, "tool0.position.z", scene_state=state) == 0.3
        assert element(contract, "role.object-tool0.position.x", scene_state=state) == 0.5 - 0.4
        assert element(contract, "role.object-tool0.position.y", scene_state=state) == -0.1 - 0.1
        assert element(contract, "role.target-role.object.position.x", scene_state=state) == 0.2 - 0.5
        assert element(contract, "role.object.position.z", scene_state=state) == 0.05

    @given(st.floats(-3.1, 3.1), st.floats(-3.1, 3.1))
    def test_headings_are_those_of_the_euler_angles(self, tool, cube):
        contract = load_contract("panda_tabletop")
        state = scene(pose(yaw=tool, down=True), pose(yaw=cube))
        assert element(contract, "tool0.yaw.sin", scene_state=state) == pytest.approx(np.sin(tool), abs=1e-12)
        assert element(contract, "tool0.yaw.cos", scene_state=state) == pytest.approx(np.cos(tool), abs=1e-12)
        relative = element(contract, "role.object-tool0.yaw.sin", scene_state=state)
        assert relative == pytest.approx(np.sin(cube - tool), abs=1e-12)

    @given(st.floats(-3.1, 3.1), st.integers(0, 3))
    def test_a_symmetric_object_looks_the_same_when_turned_by_its_symmetry(self, yaw, turns):
        contract = with_features({"feature": "yaw", "of": "role.object", "symmetry": 4})
        before = flat(observe(contract, joints(), scene(pose(), pose(yaw=yaw))))
        after = flat(observe(contract, joints(), scene(pose(), pose(yaw=yaw + turns * np.pi / 2))))
        assert before == pytest.approx([np.sin(4 * yaw), np.cos(4 * yaw)], abs=1e-9)
        assert after == pytest.approx(before, abs=1e-9)

    def test_a_toppled_object_has_a_finite_heading(self):
        contract = with_features({"feature": "yaw", "of": "role.object"})
        toppled = [0, 0, 0, *Rotation.from_euler("y", np.pi / 2).as_quat()]
        assert flat(observe(contract, joints(), scene(pose(), toppled))) == pytest.approx([0, 0], abs=1e-12)

    def test_joints_are_found_by_name_in_any_order(self, contract):
        state = joints()
        order = np.random.default_rng(0).permutation(len(JOINTS))
        shuffled = JointState(0, tuple(JOINTS[i] for i in order), state.position[order], state.velocity)
        assert (
            flat(observe(contract, state, scene())).tobytes()
            == flat(observe(contract, shuffled, scene())).tobytes()
        )

    def test_the_stamp_is_that_of_the_newest_input(self, contract):
        assert observe(contract, joints(stamp_ns=40 * MS), scene(stamp_ns=90 * MS)).stamp_ns == 90 * MS

    def test_a_stream_that_never_came_is_named(self, contract):
        with pytest.raises(StaleObservation, match="no message yet on scene_state"):
            contract.observe({"joint_states": joints()}, ROLES)

    @pytest.mark.parametrize(
        ("joint_ms", "scene_ms", "now_ms", "problem"),
        [
            (0, 101, None, "joint_states is 101 ms old, allowed 100 ms"),
            (0, 0, 101, "joint_states is 101 ms old, allowed 100 ms"),
            (101, 0, 101, "scene_state is 101 ms old, allowed 100 ms"),
            (201, 100, 100, "joint_states is 101 ms in the future"),
        ],
    )
    def test_a_stale_stream_is_named_with_its_age(self, contract, joint_ms, scene_ms, now_ms, problem):
        now_ns = None if now_ms is None else now_ms * MS
        with pytest.raises(StaleObservation, match=problem):
            observe(contract, joints(stamp_ns=joint_ms * MS), scene(stamp_ns=scene_ms * MS), now_ns)

    def test_an_age_at_the_limit_is_fresh(self, contract):
        observe(contract, joints(stamp_ns=0), scene(stamp_ns=100 * MS), 100 * MS)

    def test_a_value_that_is_not_finite_is_named(self, contract):
        state = joints(np.where(np.array(JOINTS) == "panda_finger_joint1", np.nan, 0.0))
        with pytest.raises(ContractError, match=r"observation panda_finger_joint1\.position is nan"):
            observe(contract, state, scene())

    def test_a_role_that_the_task_lacks_is_named(self, contract):
        inputs = {"joint_states": joints(), "scene_state": scene()}
        wanted = r"'role\.target'.*only roles aux, object; .*\{feature: present, of: role\.target\}"
        with pytest.raises(ContractError, match=wanted):
            contract.observe(inputs, {"object": "cube", "aux": "door"})

    def test_an_object_that_the_scene_lacks_is_named(self, contract):
        inputs = {"joint_states": joints(), "scene_state": scene()}
        with pytest.raises(UnknownName, match="unknown scene object 'cub': did you mean 'cube'"):
            contract.observe(inputs, {**ROLES, "object": "cub"})

    def test_swapped_streams_are_refused(self, contract):
        with pytest.raises(ContractError, match="must be a JointState"):
            contract.observe({"joint_states": scene(), "scene_state": joints()}, ROLES)


class TestAbsentRoles:
    """A role whose presence is observed may be absent: zeros, and an element that says so."""

    features = (
        {"feature": "present", "of": "role.aux"},
        {"feature": "position", "of": "role.aux"},
        {"feature": "relative_position", "of": "role.target", "to": "role.aux"},
        {"feature": "yaw", "of": "role.aux"},
        {"feature": "relative_yaw", "of": "role.aux", "to": "tool0", "symmetry": 4},
        {"feature": "position", "of": "role.object"},
    )
    inputs = {
        "joint_states": joints(),
        "scene_state": scene(
            pose(yaw=0.3), pose((0.5, 0.1, 0.2)), pose((0.1, 0.2, 0.3)), pose((1, 2, 3), 0.7)
        ),
    }

    def test_one_that_is_there_is_seen_as_ever_and_one_that_is_not_is_zero(self):
        masked, plain = with_features(*self.features), with_features(*self.features[1:])
        assert masked.layout.elements == ("role.aux.present", *plain.layout.elements)
        there, here = flat(masked.observe(self.inputs, ROLES)), flat(plain.observe(self.inputs, ROLES))
        assert there.tolist() == [1.0, *here]
        absent = flat(masked.observe(self.inputs, {"object": "cube", "target": "tray"}))
        assert absent.tolist() == [0.0] * 11 + [0.5, 0.1, 0.2]

    def test_one_that_the_scene_lacks_is_not_absent_but_missing(self):
        with pytest.raises(UnknownName, match="unknown scene object 'dor': did you mean 'door'"):
            with_features(*self.features).observe(self.inputs, {**ROLES, "aux": "dor"})

    def test_a_robot_fits_tasks_that_lack_it_and_none_that_lack_another(self):
        contract, plain = with_features(*self.features), with_features(*self.features[1:])
        without = Task("push", "", {"object": "cube", "target": "tray"})
        contract.check_robot(JOINTS, OBJECTS, (without,))
        with pytest.raises(ContractError, match="unknown role of task 'push' 'aux'"):
            plain.check_robot(JOINTS, OBJECTS, (without,))
        with pytest.raises(ContractError, match="unknown role of task 'push' 'target'"):
            contract.check_robot(JOINTS, OBJECTS, (Task("push", "", {"object": "cube"}),))
        with pytest.raises(ContractError, match="unknown scene object of task 'push' 'dor'"):
            contract.check_robot(JOINTS, OBJECTS, (Task("push", "", {**ROLES, "aux": "dor"}),))

    def test_only_roles_have_a_presence(self):
        with pytest.raises(ConfigError, match=r"of: .*\^role"):
            with_features({"feature": "present", "of": "cube"})

    def test_presence_alone_needs_no_scene(self):
        def alone(data):
            del data["topics"]["scene_state"]
            data["observations"] = {"s": [{"feature": "present", "of": "role.aux"}]}

        contract = changed(alone)
        assert flat(contract.observe({"joint_states": joints()}, {})).tolist() == [0.0]


class TestActions:
    def test_arm_joints_are_relative_and_the_gripper_is_scaled(self, contract):
        measured = joints(np.arange(8.0))
        command = JointCommand(0, JOINTS, np.array([*(np.arange(7.0) + 0.5), 0.04]))
        assert contract.encode(command, measured).tolist() == [0.5] * 7 + [1.0]
        closed = JointCommand(0, JOINTS, np.array([*np.arange(7.0), 0.0]))
        assert contract.encode(closed, measured).tolist() == [0.0] * 7 + [-1.0]

    @given(st.lists(st.floats(-3, 3), min_size=16, max_size=16), st.randoms())
    def test_decoding_undoes_encoding_whatever_the_order_of_joints(self, numbers, random):
        contract = load_contract("panda_tabletop")
        measured, target = joints(numbers[:8]), np.array(numbers[8:])
        order = list(range(8))
        random.shuffle(order)
        command = JointCommand(7, tuple(JOINTS[i] for i in order), target[order])
        decoded = contract.decode(contract.encode(command, measured), measured, stamp_ns=7)
        assert decoded.names == contract.command_joints
        assert decoded.stamp_ns == 7
        assert decoded.position == pytest.approx(target, abs=1e-12)

    def test_a_joint_that_the_command_lacks_is_named(self, contract):
        with pytest.raises(ContractError, match="command lacks a joint.*panda_finger_joint1"):
            contract.encode(JointCommand(0, ARM, np.zeros(7)), joints())

    def test_a_joint_that_is_not_measured_is_named(self, contract):
        with pytest.raises(ContractError, match="joint state lacks a joint.*panda_joint7"):
            contract.decode(np.zeros(8), joints(names=JOINTS[:6]), 0)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_an_action_that_is_not_finite_never_becomes_a_command(self, contract, bad):
        with pytest.raises(ContractError, match=r"action panda_joint3\.relative_to_measured is"):
            contract.decode(np.array([0, 0, bad, 0, 0, 0, 0, 0]), joints(), 0)

    def test_an_action_of_another_length_is_refused(self, contract):
        with pytest.raises(ContractError, match=r"shape \(7,\), expected \(8,\)"):
            contract.decode(np.zeros(7), joints(), 0)


class TestHash:
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data.update(fps=21),
            lambda data: data["observations"]["observation.state"].reverse(),
            lambda data: data["observations"]["observation.state"].pop(),
            lambda data: data["action"]["elements"].reverse(),
            lambda data: data["action"]["elements"][1].update(range=[0.0, 0.05]),
        ],
    )
    def test_it_changes_with_what_defines_the_arrays(self, contract, change):
        assert changed(change).hash != contract.hash

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data["topics"]["joint_states"]["align"].update(max_age_ms=200),
            lambda data: data["action"]["publish_to"].update(topic="arm/command"),
            lambda data: data.update(record_extra={"diagnostics": "diagnostic_msgs/msg/DiagnosticArray"}),
        ],
    )
    def test_it_stays_with_what_does_not(self, contract, change):
        assert changed(change).hash == contract.hash


class TestCheckRobot:
    tasks = (Task("push", "push", ROLES),)

    def test_a_robot_that_fits_passes(self, contract):
        contract.check_robot((*JOINTS, "extra"), OBJECTS, self.tasks)

    @pytest.mark.parametrize(
        ("joint_names", "scene_names", "tasks", "problem"),
        [
            (ARM, OBJECTS, (), "unknown joint 'panda_finger_joint1'"),
            (JOINTS, OBJECTS[1:], (), "unknown scene object 'tool0'"),
            (JOINTS, None, (Task("push", "", {"object": "cube"}),), "unknown role of task 'push' 'target'"),
            (JOINTS, OBJECTS[:3], tasks, "unknown scene object of task 'push' 'door'"),
        ],
    )
    def test_a_difference_is_named(self, contract, joint_names, scene_names, tasks, problem):
        with pytest.raises(ContractError, match=f"contract 'panda_tabletop' does not fit: {problem}"):
            contract.check_robot(joint_names, scene_names, tasks)


class TestFile:
    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (
                lambda d: d["topics"]["joint_states"]["align"].update(policy="nearest"),
                "align.policy: .*'latest'",
            ),
            (lambda d: d["topics"]["joint_states"].update(on_stale="drop"), "on_stale: .*'stop'"),
            (
                lambda d: d["topics"]["joint_states"].update(tipe="x"),
                "tipe: unknown key, did you mean 'type'",
            ),
            (lambda d: d["topics"].pop("scene_state"), "needs one of type amf_msgs/msg/SceneState"),
            (
                lambda d: d["topics"].pop("joint_states"),
                "at least one of type sensor_msgs/msg/JointState, found none",
            ),
            (lambda d: d["action"]["elements"][0].update(mode="delta"), "mode: .*'relative_to_measured' or"),
            (lambda d: d["action"]["elements"][0].update(range=[0.0, 1.0]), "range belongs to mode absolute"),
            (
                lambda d: d["action"]["elements"][1].update(range=[0.1, 0.1]),
                "range needs two different numbers",
            ),
            (
                lambda d: d["action"]["elements"][1].update(joints=["panda_joint1"]),
                "panda_joint1 more than once",
            ),
            (lambda d: d["action"]["publish_to"].update(topic="joint_states"), "need different topic names"),
            (
                lambda d: d["action"]["publish_to"].update(topic="/joint_states"),
                "'joint_states' stands twice .with or without a slash first",
            ),
            (
                lambda d: d["topics"].update({"/joint_states": d["topics"]["joint_states"]}),
                "'joint_states' stands twice",
            ),
            (
                lambda d: d.update(record_extra={"/applied_command": "a/msg/B"}),
                "record_extra repeats applied_command",
            ),
            (
                lambda d: d["action"]["elements"][0].update(continuous=["panda_joint9"]),
                "continuous names 'panda_joint9'",
            ),
            (
                lambda d: d["action"]["elements"][1].update(continuous=["panda_finger_joint1"]),
                "continuous belongs to mode relative_to_measured",
            ),
            (lambda d: d["observations"].update(state=[]), "state has no features"),
            (lambda d: d["observations"].update(s=[{"feature": "speed"}]), "s.0: .*'relative_position'"),
            (
                lambda d: d["observations"].update(s=[{"feature": "yaw", "off": "a"}]),
                "s.0.off: unknown key, did you mean 'of'",
            ),
            (lambda d: d.update(schema="amf_contract/2"), "schema: .*'amf_contract/1'"),
            (lambda d: d.update(fps="20"), r"fps: .*valid number \(got '20'\)"),
            (
                lambda d: d.update(record_extra={"joint_states": "a/msg/B"}),
                "record_extra repeats joint_states",
            ),
        ],
    )
    def test_a_mistake_is_named_with_file_key_and_what_is_allowed(self, change, problem):
        with pytest.raises(ConfigError, match=problem) as caught:
            changed(change)
        assert str(caught.value).startswith("c.yaml: ")

    def test_a_contract_in_a_file_of_ones_own_is_loaded(self, tmp_path: Path, contract):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(DATA, sort_keys=False))
        loaded = load_contract(str(path))
        assert (loaded.name, loaded.hash) == ("mine", contract.hash)

    def test_what_nodes_subscribe_to_is_there(self, contract):
        assert [(topic.name, topic.max_age_ns, topic.on_stale) for topic in contract.topics] == [
            ("joint_states", 100 * MS, "stop"),
            ("scene_state", 100 * MS, "stop"),
        ]
        assert (contract.record_from, contract.publish_to) == ("teleop/command", "command")
        assert contract.recorded == {"joint_states", "scene_state", "teleop/command", "applied_command"}
        assert (contract.fps, contract.period_ns, contract.watchdog_ns) == (20, 50 * MS, 150 * MS)
        assert contract.command_joints == JOINTS

    @pytest.mark.parametrize(
        "topic",
        [
            "leader-arm/command",
            "1arm/x",
            "arm/2x",
            "arm/",
            "//arm",
            "a//b",
            "~/x",
            "~x",
            "a__b",
            "é",
            "a b",
            "",
            "/",
        ],
    )
    def test_a_topic_that_ros_would_not_take_is_refused_when_the_contract_is_read(self, topic):
        for change in (
            lambda d: d["action"]["record_from"].update(topic=topic),
            lambda d: d["topics"].update({topic: d["topics"].pop("scene_state")}),
            lambda d: d.update(record_extra={topic: "std_msgs/msg/String"}),
        ):
            with pytest.raises(ConfigError, match="is not a ROS topic name: letters, digits and _ in parts"):
                changed(change)

    def test_a_name_that_ros_would_take_is_offered(self):
        with pytest.raises(ConfigError, match="try 'leader_arm/command'"):
            changed(lambda d: d["action"]["record_from"].update(topic="leader-arm/command"))

    def test_a_topic_has_one_spelling_inside_and_stays_absolute_outside(self, contract):
        def left(d):
            d["topics"] = {
                "/left/joint_states": d["topics"]["joint_states"],
                "scene_state": d["topics"]["scene_state"],
            }
            d["action"]["record_from"]["topic"] = "/left/teleop"
            d["record_extra"] = {"/tf": "tf2_msgs/msg/TFMessage"}

        made = changed(left)
        assert [
            (topic.name, topic.address) for topic in (*made.topics, made.command, *made.record_extra)
        ] == [
            ("left/joint_states", "/left/joint_states"),
            ("scene_state", "scene_state"),
            ("left/teleop", "/left/teleop"),
            ("tf", "/tf"),
        ]
        assert made.record_from == "left/teleop" and made.joints_topic == "left/joint_states"
        assert made.hash == contract.hash

    def test_what_a_contract_says_of_stamps(self):
        def clocks(d):
            d["topics"]["scene_state"]["align"].update(offset_ms=20.0)
            d["action"]["record_from"]["align"] = {"stamp": "receive", "max_offset_ms": 400.0}

        made = changed(clocks)
        scene_topic, device = made.topics[1], made.command
        assert (scene_topic.stamp_ns(5 * MS, 90 * MS), scene_topic.stamp_ns(0, 90 * MS)) == (25 * MS, 0)
        assert device.stamp_ns(5 * MS, 90 * MS) == 90 * MS
        assert [t.max_offset_ns // MS for t in (made.topics[0], scene_topic, device)] == [100, 100, 400]
        assert changed(lambda d: None).command.max_offset_ns == 100 * MS

    def test_the_hash_that_checkpoints_carry_is_that_of_earlier_versions(self, contract):
        before = copy.deepcopy(DATA["observations"])  # every task had an aux
        before["observation.relations"] = [
            {"feature": "relative_position", "of": "role.object", "to": "tool0"},
            {"feature": "relative_position", "of": "role.target", "to": "tool0"},
            {"feature": "relative_position", "of": "role.aux", "to": "tool0"},
            {"feature": "relative_position", "of": "role.target", "to": "role.object"},
            {"feature": "relative_position", "of": "role.aux", "to": "role.object"},
            {"feature": "relative_yaw", "of": "role.object", "to": "tool0"},
            {"feature": "yaw", "of": "role.object"},
            {"feature": "yaw", "of": "role.aux"},
            {"feature": "position", "of": "role.object", "axes": "z"},
        ]
        assert changed(lambda d: d.update(observations=before)).hash == "379430b40deb7b7c"
        assert contract.hash == "176ed91cad835074"
        for element in ({"max_step": 0.5}, {"continuous": []}):
            assert changed(lambda d, e=element: d["action"]["elements"][0].update(e)).hash == contract.hash
        turning = changed(lambda d: d["action"]["elements"][0].update(continuous=["panda_joint7"]))
        assert turning.hash != contract.hash


class TestContinuous:
    """A driver reports a wrist in (-pi, pi] while the operator turns it through the seam."""

    def test_the_shortest_angle_is_learned_and_led_back(self):
        made = changed(lambda d: d["action"]["elements"][0].update(continuous=["panda_joint7"]))
        for true in np.arange(3.0, 3.4, 0.02):
            measured, target = (wrapped(true), wrapped(true + 0.02))
            state = joints(np.array([0, 0, 0, 0, 0, 0, measured, 0.02]))
            action = made.encode(JointCommand(0, JOINTS, np.array([0, 0, 0, 0, 0, 0, target, 0.02])), state)
            assert action[6] == pytest.approx(0.02)
            assert wrapped(made.decode(action, state, 0).position[6]) == pytest.approx(target)

    def test_it_is_observed_as_sine_and_cosine_which_do_not_jump(self):
        def turning(d):
            d["action"]["elements"][0].update(continuous=["panda_joint7"])
            d["observations"] = {
                "observation.state": [{"feature": "joint_angle", "joints": ["panda_joint7"]}]
            }

        made = changed(turning)
        assert made.layout.elements == ("panda_joint7.angle.sin", "panda_joint7.angle.cos")
        assert made.needs["panda_joint7"] == (True, False)
        for true in (3.1, 3.2):
            state = joints(np.array([0, 0, 0, 0, 0, 0, wrapped(true), 0.02]))
            assert flat(observe(made, state, scene())) == pytest.approx([np.sin(true), np.cos(true)])
        with pytest.raises(ContractError, match="panda_joint7"):
            made.check_robot(JOINTS[:6])

    def test_its_plain_position_is_refused(self):
        def jumping(d):
            d["action"]["elements"][0].update(continuous=["panda_joint7"])
            d["observations"]["s"] = [{"feature": "joint_position", "joints": ["panda_joint7"]}]

        with pytest.raises(ConfigError, match="joint_position of panda_joint7, .*; use joint_angle"):
            changed(jumping)

    def test_other_joints_may_not_jump(self, contract):
        state = joints(np.zeros(8))
        command = JointCommand(0, JOINTS, np.full(8, 2 * np.pi))
        assert contract.encode(command, state)[0] == 2 * np.pi


def wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
