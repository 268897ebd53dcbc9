"""A small arm, scene and clock, and their messages as CDR bytes: what a recorder node would receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mcap_ros2._dynamic import serialize_dynamic

from amf_ros.contract import Contract, load_contract
from amf_ros.core.errors import UnknownName
from amf_ros.core.values import JointCommand, JointState, SceneState, Task
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.schemas import schema_text
from amf_ros.store.writing import DemonstrationWriter

MESSAGES = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec\n",
    "builtin_interfaces/Duration": "int32 sec\nuint32 nanosec\n",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z\n",
    "geometry_msgs/Quaternion": "float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1\n",
    "geometry_msgs/Pose": "Point position\nQuaternion orientation\n",
    "sensor_msgs/JointState": (
        "# measured\nstd_msgs/Header header\n\nstring[] name\n"
        "float64[] position\nfloat64[] velocity\nfloat64[] effort\n"
    ),
    "amf_msgs/SceneState": "std_msgs/Header header\nstring[] names\ngeometry_msgs/Pose[] poses\n",
    "trajectory_msgs/JointTrajectoryPoint": (
        "float64[] positions\nfloat64[] velocities\nfloat64[] accelerations\nfloat64[] effort\n"
        "builtin_interfaces/Duration time_from_start\n"
    ),
    "trajectory_msgs/JointTrajectory": (
        "std_msgs/Header header\nstring[] joint_names\nJointTrajectoryPoint[] points\n"
    ),
}
JOINTS = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")
OBJECTS = ("tool0", "cube_red", "tray_left", "drawer_handle")
PERIOD_NS = 50_000_000


class Suite:
    """One task; the smallest thing that knows roles."""

    def task(self, task_id: str) -> Task:
        if task_id != "push":
            raise UnknownName("task", task_id, ["push"])
        return Task("push", "push it", {"object": "cube_red", "target": "tray_left", "aux": "drawer_handle"})


@dataclass
class Episode:
    """States and the commands that answer them."""

    joints: list[JointState] = field(default_factory=list)
    scenes: list[SceneState] = field(default_factory=list)
    commands: list[JointCommand] = field(default_factory=list)

    @classmethod
    def drawn(cls, rng: np.random.Generator, num_steps: int, start_ns: int = 1_950_000_000) -> Episode:
        episode = cls()
        for step in range(num_steps):
            stamp = start_ns + step * PERIOD_NS
            position = rng.uniform(-0.3, 0.3, size=len(JOINTS))
            position[-1] = rng.uniform(0.0, 0.04)
            poses = rng.normal(size=(len(OBJECTS), 7))
            poses[:, 3:] /= np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
            episode.joints.append(JointState(stamp, JOINTS, position, rng.normal(size=len(JOINTS))))
            episode.scenes.append(SceneState(stamp, OBJECTS, poses))
            episode.commands.append(
                JointCommand(
                    stamp, JOINTS, np.append(position[:-1] + rng.normal(0.0, 0.1, 7), rng.uniform(0.0, 0.04))
                )
            )
        return episode

    def messages(self) -> list[tuple[str, int, bytes]]:
        """Topic, stamp and CDR bytes, in the order in which they would arrive."""
        encode = encoders()
        found = []
        for joint, scene, command in zip(self.joints, self.scenes, self.commands):
            found.append(("joint_states", joint.stamp_ns, encode["joint_states"](joint)))
            found.append(("scene_state", scene.stamp_ns, encode["scene_state"](scene)))
            found.append(("teleop/command", command.stamp_ns, encode["teleop/command"](command)))
        return found


TYPES = {
    "joint_states": "sensor_msgs/msg/JointState",
    "scene_state": "amf_msgs/msg/SceneState",
    "teleop/command": "trajectory_msgs/msg/JointTrajectory",
}


def header(stamp_ns: int) -> SimpleNamespace:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id="base_link")


def joint_message(value: JointState) -> Any:
    return SimpleNamespace(
        header=header(value.stamp_ns),
        name=list(value.names),
        position=value.position.tolist(),
        velocity=value.velocity.tolist(),
        effort=[],
    )


def scene_message(value: SceneState) -> Any:
    poses = [
        SimpleNamespace(
            position=SimpleNamespace(x=p[0], y=p[1], z=p[2]),
            orientation=SimpleNamespace(x=p[3], y=p[4], z=p[5], w=p[6]),
        )
        for p in value.poses.tolist()
    ]
    return SimpleNamespace(header=header(value.stamp_ns), names=list(value.names), poses=poses)


def command_message(value: JointCommand) -> Any:
    point = SimpleNamespace(
        positions=value.position.tolist(),
        velocities=[],
        accelerations=[],
        effort=[],
        time_from_start=SimpleNamespace(sec=0, nanosec=PERIOD_NS),
    )
    return SimpleNamespace(header=header(value.stamp_ns), joint_names=list(value.names), points=[point])


def encoders() -> dict[str, Callable[[Any], bytes]]:
    makers = {"joint_states": joint_message, "scene_state": scene_message, "teleop/command": command_message}
    found = {}
    for topic, make in makers.items():
        encode = serialize_dynamic(TYPES[topic], schema_text(TYPES[topic]))[TYPES[topic]]
        found[topic] = lambda value, encode=encode, make=make: encode(make(value))
    return found


@pytest.fixture(autouse=True)
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sourced workspace: share folders with message definitions."""
    prefix = tmp_path / "workspace"
    for name, text in MESSAGES.items():
        package, message = name.split("/")
        path = prefix / "share" / package / "msg" / f"{message}.msg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    return prefix / "share"


@pytest.fixture
def encode() -> dict[str, Callable[[Any], bytes]]:
    """Topic -> value to CDR bytes."""
    return encoders()


@pytest.fixture
def contract() -> Contract:
    return load_contract("panda_tabletop")


@pytest.fixture
def suite() -> Suite:
    return Suite()


@pytest.fixture
def store(tmp_path: Path) -> DemonstrationStore:
    return DemonstrationStore(tmp_path / "demonstrations")


def announce(recording: DemonstrationWriter) -> DemonstrationWriter:
    for topic, type_ in TYPES.items():
        recording.add_topic(topic, type_, schema_text(type_))
    return recording


@pytest.fixture
def stage(store: DemonstrationStore, contract: Contract, suite: Suite) -> Callable[..., DemonstrationWriter]:
    """A recording with all topics announced."""

    def make(id_: str = "d1", **settings: Any) -> DemonstrationWriter:
        return announce(store.stage(id_, suite.task("push"), contract, suite="tabletop", **settings))

    return make


@pytest.fixture
def record(stage: Callable[..., DemonstrationWriter]) -> Callable[..., DemonstrationWriter]:
    """A recording with an episode in it, not finished."""

    def make(id_: str, episode: Episode, **settings: Any) -> DemonstrationWriter:
        recording = stage(id_, **settings)
        for topic, stamp, data in episode.messages():
            recording.write(topic, stamp + 1000, stamp, data)
        return recording

    return make


@pytest.fixture
def draw() -> Callable[..., Episode]:
    return lambda num_steps=40, seed=0, **settings: Episode.drawn(
        np.random.default_rng(seed), num_steps, **settings
    )
