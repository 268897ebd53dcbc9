"""A demonstration while it is recorded: what is left out, what ends it at once, and in which words."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from amf_ros.contract import Contract, load_contract
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import DataError, StaleObservation
from amf_ros.core.paths import find_config
from amf_ros.core.values import JointCommand, JointState, Outcome
from amf_ros.ros.recording.judging import BadStream, Reset
from amf_ros.ros.recording.taping import Came, MissingTopic, Taping
from amf_ros.ros.settings import RecorderSettings
from amf_ros.store.demonstrations import DemonstrationStore

MS = 1_000_000
JOINTS = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")
# A JointTrajectory stamped 2.002 s without joints and points: what a device sends when it is let go.
STOP = b"\x00\x01\x00\x00" + struct.pack("<iII", 2, 2_000_000, 1) + bytes(12)


@dataclass
class Room:
    """What a taping needs."""

    store: DemonstrationStore
    suite: Any
    contract: Any
    encode: Any
    draw: Any


@pytest.fixture
def room(store: DemonstrationStore, suite: Any, contract: Any, encode: Any, draw: Any) -> Room:
    return Room(store, suite, contract, encode, draw)


class Tape:
    """Feeds a taping as a node would: stamps and arrivals on one clock, in milliseconds."""

    def __init__(self, room: Room, contract: Any = None, **options: Any) -> None:
        store, suite, contract = room.store, room.suite, contract or room.contract
        recording = store.stage("one", suite.task("push"), contract)
        settings = RecorderSettings(session_directory=str(store.root))
        options = {"start_ns": 0, "limit_s": 60.0, "now_s": 0.0} | options
        self.taping = Taping(recording, contract, settings, **options)
        self.encode, self.store = room.encode, store
        self.skipped: list[str] = []
        self.drawn = room.draw(1)

    def raw(self, topic: str, data: bytes, at_ms: float, stamp_ms: float | None = None) -> None:
        stamp_ns = round((at_ms if stamp_ms is None else stamp_ms) * MS)
        came = Came(data, stamp_ns, round(at_ms * MS), round(at_ms * MS))
        problem = self.taping.write(topic, came, at_ms / 1000)
        self.skipped += [problem] if problem else []
        self.taping.became_ready(at_ms / 1000)

    def joints(self, at_ms: float, stamp_ms: float | None = None, **changes: Any) -> None:
        state = JointState(0, JOINTS, np.full(len(JOINTS), 0.02), np.zeros(len(JOINTS)))
        stamp_ns = round((at_ms if stamp_ms is None else stamp_ms) * MS)
        data = self.encode["joint_states"](replace(state, stamp_ns=stamp_ns, **changes))
        self.raw("joint_states", data, at_ms, stamp_ms)

    def scene(self, at_ms: float) -> None:
        data = self.encode["scene_state"](replace(self.drawn.scenes[0], stamp_ns=round(at_ms * MS)))
        self.raw("scene_state", data, at_ms)

    def command(
        self, at_ms: float, topic: str = "teleop/command", stamp_ms: float | None = None, **changes: Any
    ) -> None:
        stamp_ns = round((at_ms if stamp_ms is None else stamp_ms) * MS)
        command = JointCommand(stamp_ns, JOINTS, np.full(len(JOINTS), 0.02))
        self.raw(topic, self.encode["teleop/command"](replace(command, **changes)), at_ms, stamp_ms)

    def check(self, at_ms: float) -> None:
        self.taping.check(at_ms / 1000)

    def run(self, from_ms: int, until_ms: int, *, scene: bool = True, every_ms: int = 50) -> None:
        """Joints at 100 Hz, the scene at 20 Hz, commands at their rate; looked at ten times a second."""
        for at_ms in range(from_ms, until_ms, 10):
            self.joints(at_ms)
            if scene and at_ms % 50 == 0:
                self.scene(at_ms)
            if at_ms % every_ms == 0:
                self.command(at_ms)
            if at_ms % 100 == 0:
                self.check(at_ms)

    def keep(self, at_ms: float) -> int:
        self.taping.end(Outcome.SUCCESS, 0, at_ms / 1000)
        self.taping.keep()
        return self.store.info("one").num_steps


@pytest.fixture
def tape(room: Room) -> Tape:
    return Tape(room)


def slow_scene(tmp_path: Path) -> Any:
    """A contract whose scene may be three seconds old."""
    path = tmp_path / "slow.yaml"
    lines = (Path(__file__).parents[3] / "config/contracts/panda_tabletop.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "scene_state:")
    for i in range(at, at + 6):
        lines[i] = (
            lines[i]
            .replace("max_age_ms: 100", "max_age_ms: 3000")
            .replace("min_rate_hz: 10", "min_rate_hz: 0")
        )
    path.write_text("\n".join(lines))
    return load_contract(str(path))


def test_a_message_that_comes_late_is_taken(tape: Tape) -> None:
    tape.run(1000, 1500)
    tape.joints(1503, stamp_ms=1488)
    tape.run(1510, 2000)
    assert tape.skipped == [] and tape.keep(2000) == 19


@pytest.mark.parametrize("exact", [False, True])
def test_a_clock_that_goes_back_ends_it_as_a_reset(room: Room, exact: bool) -> None:
    tape = Tape(room, exact=exact)
    tape.run(5000, 6000)
    with pytest.raises(Reset, match=r"joint_states jumped by -\d.*the scene was reset"):
        for at_ms in range(6000, 6200, 10):
            tape.joints(at_ms, stamp_ms=at_ms - 4000)
    assert len(tape.skipped) <= 1


def test_a_hole_in_all_streams_at_once_ends_it(tape: Tape) -> None:
    """No command came in the hole, so that no command met a state that was too old."""
    tape.run(1000, 2000)
    with pytest.raises(StaleObservation, match=r"joint_states has a hole of 410 ms after stamp 1\.990 s"):
        tape.run(2400, 3000)


def test_a_hole_shortly_before_the_end_is_found_when_it_is_kept(tape: Tape) -> None:
    tape.run(1000, 2000)
    tape.run(2400, 2460)
    with pytest.raises(DataError, match="joint_states has a hole of 410 ms"):
        tape.keep(2460)


def test_one_malformed_message_is_left_out_and_counted(tape: Tape) -> None:
    tape.run(1000, 2000)
    tape.raw("joint_states", b"\x00\x01\x00\x00" + bytes(13), 2001)
    tape.joints(2003, names=JOINTS[:3])
    tape.run(2010, 3000)
    assert len(tape.skipped) == 2 and "not a whole sensor_msgs/msg/JointState" in tape.skipped[0]
    assert "8 positions" in tape.skipped[1] and tape.keep(3000) == 39


def test_a_joint_that_is_renamed_ends_it_within_a_second(tape: Tape) -> None:
    tape.run(1000, 1500)
    names = ("joint_1", *JOINTS[1:])
    with pytest.raises(BadStream, match="teleop/command: commands no 'panda_joint1'"):
        for at_ms in range(1500, 2500, 50):
            tape.joints(at_ms)
            tape.scene(at_ms)
            tape.command(at_ms, names=names)
    assert 2 <= len(tape.skipped) <= 15


def test_a_gripper_in_millimetres_ends_it_at_once(tape: Tape) -> None:
    tape.run(1000, 1500)
    position = np.full(len(JOINTS), 0.02)
    position[-1] = 40.0
    with pytest.raises(BadStream, match="'panda_finger_joint1' is 40, allowed is 0 to 0.04; .*millimetres"):
        for at_ms in range(1500, 2000, 50):
            tape.joints(at_ms)
            tape.command(at_ms, position=position)
    assert len(tape.skipped) == 2


def test_a_glitch_in_one_command_is_left_out(tape: Tape) -> None:
    tape.run(1000, 1500)
    tape.command(1501, position=np.full(len(JOINTS), 700.0))
    tape.run(1510, 2000)
    assert len(tape.skipped) == 1 and tape.keep(2000) == 19


def test_the_contracts_age_decides_on_gaps(room: Room, tmp_path: Path) -> None:
    patient = Tape(room, slow_scene(tmp_path))
    patient.run(1000, 2000)
    patient.run(2000, 3300, scene=False)
    patient.run(3300, 4000)
    assert patient.keep(4000) == 60


def test_a_stream_that_is_too_old_when_commands_come_ends_it_within_a_second(tape: Tape) -> None:
    tape.run(1000, 2000)
    with pytest.raises(StaleObservation, match="scene_state was 150 ms old when a command came"):
        tape.run(2000, 3000, scene=False)


def test_a_device_that_is_too_slow_ends_it(tape: Tape) -> None:
    with pytest.raises(StaleObservation, match=r"comes at 10.0 Hz and the contract needs 20 Hz"):
        tape.run(1000, 4500, every_ms=100)


def test_a_stop_of_the_device_is_no_step_and_no_silence(tape: Tape) -> None:
    tape.run(1000, 2000)
    tape.raw("teleop/command", STOP, 2002)
    assert tape.skipped == []
    for at_ms in range(2010, 9000, 10):  # longer than stream_timeout_s
        tape.joints(at_ms)
        if at_ms % 50 == 0:
            tape.scene(at_ms)
        tape.check(at_ms)
    assert tape.skipped == [] and tape.keep(9000) == 20


def test_a_reset_that_the_robot_tells_of_ends_it(tape: Tape) -> None:
    tape.taping.began_anew(500 * MS)  # nothing is recorded yet
    tape.run(1000, 1500)
    tape.taping.began_anew(1000 * MS)
    with pytest.raises(Reset, match="the scene was reset"):
        tape.taping.began_anew(1200 * MS)


def test_an_end_that_never_comes_is_bounded_by_the_time_limit(room: Room) -> None:
    tape = Tape(room, limit_s=1.0)
    tape.run(1000, 1500)
    tape.taping.end(Outcome.FAILURE, 1_795_000_000_000 * MS, 1.5)  # by another clock
    assert not tape.taping.complete(1.5)
    tape.run(1500, 2100)
    assert tape.taping.complete(2.1)
    tape.taping.keep()
    assert tape.store.info("one").outcome is Outcome.FAILURE


def test_the_robots_answer_to_the_last_command_is_waited_for(tape: Tape) -> None:
    tape.run(1000, 1500)
    tape.taping.end(Outcome.SUCCESS, 1450 * MS, 1.5)
    assert tape.taping.complete(1.5)  # this robot does not say what it applied
    tape.command(1400, topic="applied_command")
    assert not tape.taping.complete(1.5) and tape.taping.complete(2.1)
    tape.command(1450, topic="applied_command")
    assert tape.taping.complete(1.5)


def test_what_the_robot_applied_never_ends_a_demonstration(tape: Tape) -> None:
    tape.run(1000, 2000)
    for at_ms in range(2000, 3000, 10):
        tape.raw("applied_command", b"\x00\x01\x00\x00 not a message", at_ms)
        tape.joints(at_ms)
    for stamp_ms in (2900, 2850, 2870, 2950):  # answers come together, or late
        tape.command(3000, topic="applied_command", stamp_ms=stamp_ms)
    assert len(tape.skipped) == 100


def test_what_never_came_is_named(tape: Tape) -> None:
    tape.joints(10)
    with pytest.raises(MissingTopic, match="nothing came on scene_state within 5 s"):
        tape.check(5100)
    tape.scene(5200)
    tape.check(6000)
    with pytest.raises(MissingTopic, match="nothing came on teleop/command within 30 s"):
        tape.check(36000)


def test_a_corrected_clock_is_corrected_once_in_memory_and_from_the_file(tmp_path, suite, draw) -> None:
    """The device's clock lags 400 ms; the contract says so."""
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    data["action"]["record_from"]["align"] = {"offset_ms": 400.0}
    contract = Contract(parse(data, ContractSpec, "c.yaml"), "c")
    episode, store = draw(30), DemonstrationStore(tmp_path)
    recording = store.stage("d1", suite.task("push"), contract, by_arrival=True)
    settings = RecorderSettings(session_directory=str(tmp_path))
    taping = Taping(recording, contract, settings, start_ns=0, limit_s=60.0, now_s=0.0)
    lagging = [replace(c, stamp_ns=c.stamp_ns - 400_000_000) for c in episode.commands]
    for topic, header_ns, raw in replace(episode, commands=lagging).messages():
        named = contract.command if topic == contract.record_from else contract.topics[0]
        stamp = named.stamp_ns(header_ns, 0)
        assert taping.write(topic, Came(raw, stamp, stamp + 1, stamp + 1), stamp * 1e-9) == ""
    taping.end(Outcome.SUCCESS, 0, 100.0)
    taping.keep()
    kept = store.load("d1", contract, suite)
    read_back = DemonstrationStore(tmp_path).load("d1", contract, suite)
    assert kept.stamps_ns.tolist() == [c.stamp_ns for c in episode.commands]
    assert kept.actions.tobytes() == read_back.actions.tobytes()
    assert kept.observations.flat().tobytes() == read_back.observations.flat().tobytes()


def test_a_device_that_stamps_zero_is_read_alike_in_memory_and_from_the_file(tmp_path, suite, draw) -> None:
    """The robot halves what is asked, and says so under the stamps of its states."""
    contract = load_contract("panda_tabletop")
    episode, store = draw(30), DemonstrationStore(tmp_path)
    recording = store.stage("d1", suite.task("push"), contract, by_arrival=True)
    settings = RecorderSettings(session_directory=str(tmp_path))
    taping = Taping(recording, contract, settings, start_ns=0, limit_s=60.0, now_s=0.0)
    unstamped = replace(episode, commands=[replace(c, stamp_ns=0) for c in episode.commands])
    halved = replace(
        episode, commands=[replace(c, position=0.5 * c.position) for c in episode.commands]
    ).messages()
    at_ns = 0
    for (topic, header_ns, raw), (_, stamp_ns, applied) in zip(unstamped.messages(), halved, strict=True):
        at_ns = stamp_ns + (20 * MS if topic == contract.record_from else MS)
        assert taping.write(topic, Came(raw, header_ns or at_ns, at_ns, at_ns), at_ns * 1e-9) == ""
        if topic == contract.record_from:
            at_ns += 20 * MS
            assert taping.write("applied_command", Came(applied, stamp_ns, at_ns, at_ns), at_ns * 1e-9) == ""
        taping.became_ready(at_ns * 1e-9)
        taping.check(at_ns * 1e-9)
    taping.end(Outcome.SUCCESS, 0, 100.0)
    taping.keep()
    kept = store.load("d1", contract, suite)
    read_back = DemonstrationStore(tmp_path).load("d1", contract, suite)
    assert kept.stamps_ns.tolist() == [c.stamp_ns for c in episode.commands]
    expected = [
        contract.encode(replace(c, position=0.5 * c.position), j)
        for c, j in zip(episode.commands, episode.joints, strict=True)
    ]
    assert kept.actions.tobytes() == read_back.actions.tobytes() == np.stack(expected).tobytes()
    assert kept.observations.flat().tobytes() == read_back.observations.flat().tobytes()
