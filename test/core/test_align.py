"""One alignment: what serving sees as messages arrive is what replay makes of them, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contracts import ALL, ARM, FINGER, MS, OBJECTS, ROLES, START, WHOLE, contract_with, sighted
from support.frames import flat

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.align import Sample, Streams
from amf_ros.contract.codecs import Arrived, codec_of
from amf_ros.contract.serving import Serving
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import StaleObservation
from amf_ros.core.frames import Frame
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointCommand, JointState, Numbers, Picture, SceneState
from amf_ros.store.replay import replay

SIGHTED = sighted(camera=150.0)
TWO_TOPICS = contract_with(joint_states=100.0, gripper__joint_states=250.0)


@dataclass(frozen=True)
class Device:
    """A publisher: what it sends, how often, how late it arrives and how far its clock is off [ms]."""

    topic: str
    names: tuple[str, ...]
    every: float
    delay: float
    jitter: float
    skew: float


def value(device: Device, stamp_ns: int, rng: np.random.Generator) -> Any:
    if device.topic == "scene_state":
        poses = rng.normal(size=(len(OBJECTS), 7))
        poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
        return SceneState(stamp_ns, OBJECTS, poses)
    if device.topic == "camera":
        picture = Picture(stamp_ns, "rgb8", rng.integers(0, 256, (12, 16, 3), np.uint8))
        return SIGHTED.seen("camera", picture)
    if device.topic == "wrench":
        return Numbers(stamp_ns, codec_of("geometry_msgs/msg/WrenchStamped").elements, rng.normal(size=6))
    names = tuple(device.names[i] for i in rng.permutation(len(device.names)))
    position = rng.uniform(0.0, 0.04, len(names))
    position[rng.random(len(names)) < 0.02] = np.nan  # a joint that a message has no news of
    return JointState(stamp_ns, names, position, np.full(len(names), np.nan))


def arrivals(devices: list[Device], seconds: float, seed: int) -> list[tuple[str, Arrived]]:
    rng = np.random.default_rng(seed)
    found = []
    for device in devices:
        for at in np.arange(rng.uniform(0, device.every), 1e3 * seconds, device.every):
            stamp = START + round((at + device.skew) * MS)
            arrival = START + round((at + device.delay + rng.uniform(0, device.jitter)) * MS)
            found.append((device.topic, Arrived(value(device, stamp, rng), arrival)))
    return sorted(found, key=lambda item: item[1].arrival_ns)


def live(contract: Contract, messages: list[tuple[str, Arrived]]) -> list[tuple[int, Frame]]:
    """As the executor does it, at each state that there is to act upon; what serving refuses is left out."""
    serving, seen = Serving(contract, exact=False), []
    for topic, message in messages:
        state, now = message.value, message.arrival_ns
        stamp = serving.arrived(topic, state.stamp_ns, now, now, lambda state=state: state)
        if stamp is None:
            continue
        try:
            seen.append((stamp, contract.observe(serving.moment(now).inputs, ROLES).values))
        except StaleObservation:
            continue
    return seen


def test_a_joint_state_that_cannot_be_used_is_no_instant_to_act_at():
    """Found by the test above: replay would pair the command with joints that had not arrived yet."""
    gripper, arm = (
        Device("gripper/joint_states", (FINGER,), 0, 0, 0, 0),
        Device("joint_states", ARM, 0, 0, 0, 0),
    )
    scene, rng = Device("scene_state", (), 0, 0, 0, 0), np.random.default_rng(1)
    parts = [(gripper, 0, 0), (scene, 1, 1), (arm, 2, 2), (gripper, 30, 20), (arm, 25, 26), (scene, 24, 27)]
    messages = [
        (device.topic, Arrived(value(device, START + at * MS, rng), START + came * MS))
        for device, at, came in parts
    ]
    nothing = JointState(START + 30 * MS, (FINGER,), np.array([np.nan]), np.array([np.nan]))
    messages[3] = (gripper.topic, Arrived(nothing, START + 20 * MS))
    assert [stamp - START for stamp, _ in live(TWO_TOPICS, messages)] == [2 * MS]


def device(topic: str, names: tuple[str, ...], *every: float) -> st.SearchStrategy[Device]:
    return st.builds(
        Device,
        st.just(topic),
        st.just(names),
        st.sampled_from(every),
        st.floats(0, 40),
        st.floats(0, 30),
        st.floats(-30, 30),
    )


SETUPS = st.one_of(
    st.tuples(st.just(WHOLE), st.tuples(device("joint_states", ALL, 2.0, 10.0, 33.3))),
    st.tuples(
        st.just(WHOLE),
        st.tuples(
            device("joint_states", ARM, 4.0, 10.0), device("joint_states", (FINGER, "wheel"), 10.0, 33.3)
        ),
    ),
    st.tuples(
        st.just(SIGHTED),
        st.tuples(
            device("joint_states", ALL, 10.0),
            device("camera", (), 33.3, 66.7),
            device("wrench", (), 2.0, 10.0),
        ),
    ),
    st.tuples(
        st.just(TWO_TOPICS),
        st.tuples(
            device("joint_states", ARM, 4.0, 10.0), device("gripper/joint_states", (FINGER,), 33.3, 100.0)
        ),
    ),
)


@settings(max_examples=40, deadline=None)
@given(SETUPS, device("scene_state", (), 5.0, 33.3, 50.0), st.integers(0, 2**16))
def test_frames_of_serving_are_frames_of_replay_under_skew_jitter_and_other_rates(setup, scene, seed):
    contract, joints = setup
    messages = arrivals([*joints, scene], 1.0, seed)
    seen = live(contract, messages)
    recorded: dict[str, list[Any]] = {topic.name: [] for topic in contract.topics}
    for topic, message in messages:
        recorded[topic].append(message)
    for stamp, frame in seen[:: max(1, len(seen) // 8)]:
        command = JointCommand(stamp, ALL, np.full(8, 0.02))
        recorded["teleop/command"] = [Arrived(command, stamp + 90 * MS)]
        arrays = replay(recorded, contract, ROLES, by_arrival=True)
        assert arrays.stamps_ns.tolist() == [stamp]
        assert arrays.observations.names == tuple(frame)
        for name, values in frame.items():
            assert arrays.observations[name][0].tobytes() == values.tobytes()


def test_with_a_slow_scene_both_see_the_one_that_had_arrived():
    """A camera's poses are 60 ms old when they arrive: that is what a policy will see, so it learns that."""
    messages = arrivals(
        [Device("joint_states", ALL, 10, 1, 0, 0), Device("scene_state", (), 20, 60, 0, 0)], 1.0, 3
    )
    seen = live(WHOLE, messages)
    assert len(seen) > 50
    recorded: dict[str, list[Any]] = {"joint_states": [], "scene_state": []}
    for topic, message in messages:
        recorded[topic].append(message)
    stamp, frame = seen[40]
    recorded["teleop/command"] = [Arrived(JointCommand(stamp, ALL, np.full(8, 0.02)), stamp + MS)]
    by_arrival = replay(recorded, WHOLE, ROLES, by_arrival=True).observations.flat()[0]
    by_stamp = replay(recorded, WHOLE, ROLES).observations.flat()[0]
    assert by_arrival.tobytes() == flat(frame).tobytes() != by_stamp.tobytes()


def test_a_recorder_that_was_busy_costs_no_demonstration():
    """Half a second of messages arrives at once, the scene last: serving would not act, stamps still tell."""
    rng = np.random.default_rng(0)
    stamps = [START + k * 10 * MS for k in range(50)]
    joints, scene = Device("joint_states", ALL, 10, 0, 0, 0), Device("scene_state", (), 10, 0, 0, 0)
    recorded = {
        "joint_states": [Arrived(value(joints, t, rng), START + 500 * MS + i) for i, t in enumerate(stamps)],
        "scene_state": [Arrived(value(scene, t, rng), START + 501 * MS + i) for i, t in enumerate(stamps)],
        "teleop/command": [
            Arrived(JointCommand(t, ALL, np.full(8, 0.02)), START + 502 * MS + i)
            for i, t in enumerate(stamps[::5])
        ],
    }
    arrays = replay(recorded, WHOLE, ROLES, by_arrival=True)
    assert (
        arrays.observations.flat().tobytes() == replay(recorded, WHOLE, ROLES).observations.flat().tobytes()
    )


class TestSplitJoints:
    def state(self, at: int, names=ALL, first=0.0, velocity=np.nan) -> Sample:
        position = np.arange(len(names)) + first
        stamp = START + at * MS
        return Sample(stamp, stamp, JointState(stamp, names, position, np.full(len(names), velocity)))

    def scene(self, at: int) -> Sample:
        stamp = START + at * MS
        return Sample(stamp, stamp, SceneState(stamp, OBJECTS, np.tile([0.0] * 6 + [1.0], (4, 1))))

    def streams(self, contract=WHOLE) -> Streams:
        made = Streams(contract)
        made.add("scene_state", self.scene(0))
        return made

    def test_each_joint_comes_from_the_newest_message_that_holds_it_and_has_its_age(self):
        streams = self.streams()
        streams.add("joint_states", self.state(0, (FINGER, "wheel"), 10.0))
        streams.add("joint_states", self.state(30, ARM, 20.0))
        moment = streams.moment(START + 40 * MS)
        assert moment.joints.positions(ALL).tolist() == [20, 21, 22, 23, 24, 25, 26, 10]
        assert moment.joints.stamp_ns == START + 30 * MS
        assert (moment.joint_ages_ns[FINGER], moment.joint_ages_ns["panda_joint1"]) == (40 * MS, 10 * MS)

    def test_a_message_a_little_late_is_sorted_in(self):
        streams = self.streams()
        for at in (0, 20, 10, 40, 28):
            streams.add("joint_states", self.state(at, first=float(at)))
        assert streams.moment(START + 39 * MS).joints.position[0] == 28.0
        assert streams.newest_joints(START + 39 * MS).stamp_ns == START + 28 * MS

    def test_one_that_stopped_is_named_with_its_age(self):
        streams = self.streams()
        streams.add("joint_states", self.state(0, (FINGER,)))
        for at in range(0, 200, 10):
            streams.add("joint_states", self.state(at, ARM))
            streams.add("scene_state", self.scene(at))
        with pytest.raises(StaleObservation, match="panda_finger_joint1' of joint_states is 190 ms old"):
            streams.moment(START + 190 * MS)

    def test_one_that_never_came_is_named_with_what_did(self):
        streams = self.streams()
        with pytest.raises(StaleObservation, match="no message yet on joint_states"):
            streams.moment(START)
        streams.add("joint_states", self.state(0, ARM))
        with pytest.raises(StaleObservation, match="joint panda_finger_joint1 came .* held panda_joint1, "):
            streams.moment(START)

    def test_topics_have_ages_of_their_own(self):
        streams = self.streams(TWO_TOPICS)
        streams.add("joint_states", self.state(0, ARM))
        streams.add("gripper/joint_states", self.state(0, (FINGER,)))
        assert streams.missing == []
        for at in (100, 200, 300):
            streams.add("joint_states", self.state(at, ARM))
            streams.add("scene_state", self.scene(at))
        streams.moment(START + 200 * MS)
        with pytest.raises(StaleObservation, match="joint1' of gripper/joint_states is 300 ms old"):
            streams.moment(START + 300 * MS)

    def test_a_state_that_is_whole_stays_as_it_came(self):
        streams = self.streams()
        whole = self.state(0, (*ALL, "panda_finger_joint2"))
        streams.add("joint_states", whole)
        assert streams.moment(START).joints is whole.value

    def test_a_message_that_cannot_be_used_is_passed_over(self):
        streams = self.streams()
        streams.add("joint_states", self.state(0, first=5.0))
        streams.add("joint_states", Sample(START + 10 * MS, START + 10 * MS, lambda: None))
        assert streams.moment(START + 20 * MS).joints.position[0] == 5.0

    def test_velocities_that_are_used_must_be_there(self):
        data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
        data["observations"]["v"] = [{"feature": "joint_velocity", "joints": ["panda_joint2"]}]
        streams = self.streams(Contract(parse(data, ContractSpec, "c.yaml")))
        streams.add("joint_states", self.state(0, velocity=0.5))
        streams.add("joint_states", self.state(10, first=7.0))
        moment = streams.moment(START + 10 * MS)
        assert moment.joints.positions(["panda_joint1", "panda_joint2"]).tolist() == [7.0, 1.0]


def test_a_stream_of_pictures_keeps_few_and_another_kind_does_not_matter_to_joints():
    streams = Streams(SIGHTED, keep_ns=200 * MS)
    maker, camera = TestSplitJoints(), Device("camera", (), 0, 0, 0, 0)
    rng = np.random.default_rng(0)
    for at in range(0, 4000, 50):
        stamp = START + at * MS
        streams.add("camera", Sample(stamp, stamp, value(camera, stamp, rng)))
    assert len(streams._others["camera"]) <= 8
    streams.add("joint_states", maker.state(3950))
    streams.add("scene_state", maker.scene(3950))
    with pytest.raises(StaleObservation, match="no message yet on wrench"):
        streams.moment(START + 3950 * MS)


def test_what_is_kept_does_not_grow():
    streams = Streams(load_contract("panda_tabletop"), keep_ns=200 * MS)
    maker = TestSplitJoints()
    for at in range(0, 20_000, 2):
        streams.add("joint_states", maker.state(at))
    assert len(streams._joints) < 300
