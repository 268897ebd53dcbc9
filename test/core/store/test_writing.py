"""Writing: what ends well, what is refused, a full disk, and a process that is killed in the middle."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from amf_ros.core.errors import BadMessage, DataError, StorageError, UnknownName
from amf_ros.core.values import Outcome
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.doctor import examine, recover
from amf_ros.store.files import write_whole
from amf_ros.store.reading import read
from amf_ros.store.recovery import CHUNK_BYTES

ROOT = Path(__file__).resolve().parents[3]


def files(store: DemonstrationStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_any_mcap_tool_reads_the_messages(store, record, draw):
    episode = draw(5)
    path = record("d1", episode).finish(Outcome.SUCCESS)
    with path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert {channel.topic for channel in summary.channels.values()} == {
            "/joint_states",
            "/scene_state",
            "/teleop/command",
        }
        assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
        assert summary.statistics.message_count == 15
        decoded = [item.decoded_message for item in reader.iter_decoded_messages(topics=["/scene_state"])]
    assert [message.poses[1].position.x for message in decoded] == [s.poses[1, 0] for s in episode.scenes]


def test_rosbags_reads_the_messages_by_the_definitions_in_the_file(store, record, draw):
    episode = draw(5)
    path = record("d1", episode).finish(Outcome.SUCCESS)
    with AnyReader([path]) as reader:  # no type store is given: all types are those of the file
        scenes = [
            reader.deserialize(raw, connection.msgtype)
            for connection, _, raw in reader.messages()
            if connection.topic == "/scene_state"
        ]
    assert [scene.poses[1].position.x for scene in scenes] == [s.poses[1, 0] for s in episode.scenes]


def test_other_topics_are_kept_as_they_came(store, record, draw):
    recording = record("d1", draw(5))
    recording.add_topic("chatter", "std_msgs/msg/String", "string data\n")
    raw = b"\x00\x01\x00\x00\x03\x00\x00\x00hi\x00"
    recording.write("chatter", 7, 7, raw)
    with recording.finish(Outcome.SUCCESS).open("rb") as stream:
        ((_, channel, message),) = make_reader(stream).iter_messages(topics=["/chatter"])
    assert (channel.message_encoding, message.data, message.log_time) == ("cdr", raw, 7)


def test_a_topic_must_be_announced(stage):
    recording = stage()
    with pytest.raises(DataError, match="topic 'camera' was not announced; announced: joint_states"):
        recording.write("camera", 0, 0, b"")
    recording.discard()


def test_a_definition_that_is_none_is_refused(store, contract, suite):
    recording = store.stage("d1", suite.task("push"), contract)
    with pytest.raises(DataError, match="definition of sensor_msgs/msg/JointState cannot be read"):
        recording.add_topic("joint_states", "sensor_msgs/msg/JointState", "this is [no definition")
    recording.discard()


def test_messages_are_counted(stage, draw):
    recording = stage()
    for topic, stamp, data in draw(3).messages()[:-1]:
        recording.write(topic, stamp, stamp, data)
    assert recording.num_messages == {"joint_states": 3, "scene_state": 3, "teleop/command": 2}
    recording.discard()


@pytest.mark.parametrize(
    ("absent", "problem"),
    [
        ("joint_states", "nothing was recorded on joint_states"),
        ("scene_state", "nothing was recorded on scene_state"),
        ("teleop/command", "no command on teleop/command"),
    ],
)
def test_a_missing_stream_is_named_and_the_rest_is_kept_aside(store, contract, stage, draw, absent, problem):
    recording = stage()
    for topic, stamp, data in draw(10).messages():
        if topic != absent:
            recording.write(topic, stamp, stamp, data)
    with pytest.raises(DataError, match=problem):
        recording.finish(Outcome.SUCCESS)
    assert files(store) == ["quarantine/d1.mcap"]
    (finding,) = examine(store)
    assert problem in finding.problem
    with pytest.raises(DataError, match=problem):
        store.restore("d1", contract)


def test_a_message_that_is_cut_off_is_named(store, stage, draw):
    recording = stage()
    messages = draw(3).messages()
    topic, stamp, data = messages[1]
    with pytest.raises(BadMessage, match="scene_state: a message is not a whole amf_msgs/msg/SceneState"):
        recording.write(topic, stamp, stamp, data[:20])
    for topic, stamp, data in messages:
        recording.write(topic, stamp, stamp, data)
    recording.finish(Outcome.SUCCESS)
    assert store.info("d1").num_steps == 3 and read(store.path("d1")).damage == ""


def test_an_object_that_the_scene_lacks_is_named(store, stage, draw):
    recording = stage()
    episode = draw(3)
    episode.scenes = [
        replace(s, names=("tool0", "cube", "tray_left", "drawer_handle")) for s in episode.scenes
    ]
    for topic, stamp, data in episode.messages():
        recording.write(topic, stamp, stamp, data)
    with pytest.raises(DataError, match="3 not usable: lacks scene object 'cube_red'"):
        recording.finish(Outcome.SUCCESS)
    assert files(store) == ["quarantine/d1.mcap"]


def test_stamps_that_the_file_cannot_hold_are_kept_as_the_nearest(store, record, draw):
    recording = record("d1", draw(3))
    recording.add_topic("chatter", "std_msgs/msg/String", "string data\n")
    recording.write("chatter", -7, 2**70, b"\x00\x01\x00\x00\x03\x00\x00\x00hi\x00")
    with recording.finish(Outcome.SUCCESS).open("rb") as stream:
        ((_, _, message),) = make_reader(stream).iter_messages(topics=["/chatter"])
    assert (message.log_time, message.publish_time) == (0, 2**64 - 1)


def test_a_full_disk_leaves_nothing(store, record, draw, monkeypatch):
    """RLIMIT_FSIZE: the kernel refuses to let a file grow, as it does on a full disk."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    episode = draw(400)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(StorageError, match=r"d1\.mcap: cannot be written \(File too large\)"):
            record("d1", episode)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files(store) == []


def test_a_disk_that_fills_up_at_the_end_leaves_nothing(store, stage, record, draw):
    recording = record("d1", draw(30))  # less than a chunk: nothing of it is on the disk yet
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limit[1]))
    try:
        with pytest.raises(StorageError, match="cannot be written"):
            recording.finish(Outcome.SUCCESS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files(store) == []
    record("d1", draw(30)).finish(Outcome.SUCCESS)
    assert store.ids() == ["d1"]


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path):
    path = tmp_path / "kept"
    write_whole(path, b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, bytes(2_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.glob("*kept*")) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        DemonstrationStore(tmp_path / "store")


WRITER = """
import importlib.util, sys
from pathlib import Path
import numpy as np
spec = importlib.util.spec_from_file_location("conftest", sys.argv[2])
support = importlib.util.module_from_spec(spec)
sys.modules["conftest"] = support
spec.loader.exec_module(support)
from amf_ros.contract import load_contract
from amf_ros.store.demonstrations import DemonstrationStore
store = DemonstrationStore(Path(sys.argv[1]))
task = support.Suite().task("push")
recording = support.announce(store.stage("d1", task, load_contract("panda_tabletop"), suite="tabletop"))
for topic, stamp, data in support.Episode.drawn(np.random.default_rng(0), 400).messages():
    recording.write(topic, stamp, stamp, data)
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed(store):
    """A store in which a process was recording when it was killed; before that, it is seen to be live."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.root), str(Path(__file__).with_name("conftest.py"))],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    assert recover(store) == []
    assert [finding.problem for finding in examine(store)] == ["is being recorded"]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    return store


def test_after_a_kill_all_but_the_last_chunk_comes_back(killed, contract, suite, draw):
    assert [finding.problem for finding in examine(killed)] == ["was cut off"]
    (finding,) = recover(killed)
    assert killed.ids() == []
    assert files(killed) == ["quarantine/d1.mcap"]
    assert finding.path == killed.quarantine / "d1.mcap"
    with pytest.raises(DataError, match="give a contract"):
        killed.restore("d1")
    info = killed.restore("d1", contract)
    assert info.outcome is Outcome.UNLABELED
    salvaged = len(read(killed.path("d1")).messages)
    lost = sum(len(data) for _, _, data in draw(400).messages()[salvaged:])
    assert 0 < lost < CHUNK_BYTES + 1000
    assert 300 < info.num_steps < 400
    restored = killed.load("d1", contract, suite)
    episode = draw(400)
    expected = np.stack([contract.encode(c, j) for c, j in zip(episode.commands, episode.joints)])
    assert restored.actions.tobytes() == expected[: info.num_steps].tobytes()
    assert files(killed) == ["d1.mcap"]


def test_after_a_kill_the_same_id_is_recorded_anew(killed, record, draw):
    record("d1", draw(20)).finish(Outcome.SUCCESS)
    assert files(killed) == ["d1.mcap", "quarantine/d1.mcap"]
    assert killed.info("d1").num_steps == 20


def test_a_left_over_without_data_is_moved_aside(store):
    (store.staging / "d1.mcap").write_bytes(b"\x89MCAP0\r\n")
    (finding,) = recover(store)
    assert "before any data" in finding.problem
    assert files(store) == ["quarantine/d1.broken"]
    assert [f.severity for f in examine(store)] == ["info"]


def test_what_is_not_in_trash_or_quarantine_cannot_be_restored(store):
    with pytest.raises(UnknownName, match="unknown demonstration in trash or quarantine 'd9'"):
        store.restore("d9")
