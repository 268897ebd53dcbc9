"""The graph with robot:=mock: real processes, a policy that drives it, kills and a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from support.deadline import DEADLINE_S
from support.graph import eventually
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus
from amf_msgs.srv import ResetScene
from amf_ros.arm.robot_file import load_robot_file
from amf_ros.ros import names, qos
from amf_ros.ros.client.graph_client import GraphClient, Refused
from amf_ros.ros.start.supervise import Graph

SUPPORT = Path(__file__).parents[1] / "support"
ARGUMENTS = {
    "robot": "mock",
    "robot_config": str(SUPPORT / "mock_robot.yaml"),
    "contract": str(SUPPORT / "mock_contract.yaml"),
}


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    arguments = {**ARGUMENTS, "session_directory": str(tmp_path / "run")}
    with Graph(arguments, tmp_path / "log", only=("robot", "mock_arm")) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


class Driver:
    """Streams commands to the robot node, and sees where the arm is."""

    def __init__(self, client: GraphClient, joint: str = "shoulder") -> None:
        self.client, self.joint = client, joint
        self.states: list[JointState] = []
        self.statuses: list[RobotStatus] = []
        client.node.create_subscription(JointState, "joint_states", self.states.append, qos.STREAM)
        client.node.create_subscription(RobotStatus, names.ROBOT_STATUS, self.statuses.append, qos.LATCHED)
        self.command = client.node.create_publisher(JointTrajectory, "command", qos.STREAM)

    def status(self, status: int) -> None:
        def said() -> bool:
            return bool(self.statuses) and self.statuses[-1].status == status

        assert self.client.waiting.until(said, DEADLINE_S), self.statuses[-1:]

    def where(self) -> dict[str, float]:
        """All joints, from however many messages and topics."""
        found: dict[str, float] = {}
        for state in self.states[-20:]:
            found.update(zip(state.name, state.position, strict=True))
        return found

    def shoulder(self) -> float:
        return self.where()[self.joint]

    def drive(self, seconds: float) -> None:
        """Move the shoulder on, at 20 Hz."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.client.waiting.until(lambda: False, 0.05)
            point = JointTrajectoryPoint(positions=[self.shoulder() + 0.02])
            point.time_from_start.nanosec = 50_000_000
            header = self.states[-1].header
            self.command.publish(JointTrajectory(header=header, joint_names=[self.joint], points=[point]))

    def settled(self) -> float:
        """Where the arm stands 0.3 s after the last command, and that it stands."""
        self.client.waiting.until(lambda: False, 0.3)
        first = self.shoulder()
        seen = len(self.states)
        assert self.client.waiting.until(lambda: len(self.states) > seen + 20, DEADLINE_S)
        assert self.shoulder() == pytest.approx(first, abs=1e-9)
        return first


def connected(driver: Driver) -> None:
    assert driver.client.waiting.until(
        lambda: bool(driver.states) and driver.command.get_subscription_count() > 0, DEADLINE_S
    )


def test_the_arm_moves_only_when_enabled_and_no_kill_moves_it(graph: Graph) -> None:
    with GraphClient(wait_s=DEADLINE_S) as client:
        driver = Driver(client)
        connected(driver)
        driver.status(RobotStatus.STOPPED)
        begin = driver.shoulder()
        driver.drive(0.5)
        assert driver.settled() == pytest.approx(begin), "it moved before it was enabled"
        assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
        driver.status(RobotStatus.READY)
        driver.drive(1.0)
        assert driver.shoulder() > begin + 0.1

        pid = graph.pids()["robot"]
        os.kill(pid, signal.SIGKILL)  # amid motion: the controller goes to its last point and stays
        held = driver.settled()
        eventually(lambda: graph.pids()["robot"] not in (0, pid), "the robot node did not come back")
        driver.statuses.clear()
        driver.status(RobotStatus.STOPPED)
        connected(driver)
        driver.drive(0.5)
        assert driver.settled() == pytest.approx(held), "a restart enabled it"

        assert client.call(Trigger, names.RELEASE_STOP, Trigger.Request()).success
        driver.status(RobotStatus.READY)
        pid = graph.pids()["mock_arm"]
        os.kill(pid, signal.SIGKILL)
        driver.status(RobotStatus.FAULT)
        eventually(lambda: graph.pids()["mock_arm"] not in (0, pid), "the mock did not come back")
        driver.status(RobotStatus.READY)
        end_s = time.monotonic() + DEADLINE_S  # its states may be heard before it hears commands
        while driver.shoulder() <= begin:
            assert time.monotonic() < end_s, "it does not go on from where the new arm stands"
            driver.drive(0.5)


@pytest.mark.parametrize("name", ["fr3", "panda", "so101", "ur5e", "xarm6"])
def test_every_shipped_robot_file_can_be_rehearsed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    robot = load_robot_file(name)
    (tmp_path / "run").mkdir()
    tasks = tmp_path / "tasks.yaml"
    tasks.write_text(
        "schema: amf_tasks/1\nname: lab\ntasks: [{id: wipe, instruction: wipe the table}, {id: wave}]\n"
    )
    arguments = {
        "robot": "mock",
        "robot_config": name,
        "suite": str(tasks),
        "session_directory": str(tmp_path / "run"),
    }
    with Graph(arguments, tmp_path / "log", only=("robot", "mock_arm")) as made:
        for variable, value in made.environment.items():
            monkeypatch.setenv(variable, value)
        with GraphClient(wait_s=DEADLINE_S) as client:
            driver = Driver(client, robot.joints[0])
            for state in robot.states[1:]:
                client.node.create_subscription(JointState, state.topic, driver.states.append, qos.STREAM)
            assert client.waiting.until(lambda: set(robot.joints) <= set(driver.where()), DEADLINE_S)
            connected(driver)
            driver.status(RobotStatus.STOPPED)
            command = ["-m", "amf_ros.cli", "enable", "--json", "--wait", str(DEADLINE_S)]
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0 and '"enabled": true' in done.stdout, done.stderr
            driver.status(RobotStatus.READY)
            begin = driver.shoulder()
            with pytest.raises(Refused, match="put the scene of task wipe in place: wipe the table"):
                client.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id="wipe"))
            if name == "panda":
                said = subprocess.run(
                    [sys.executable, "-m", "amf_ros.cli", "status", "-d", str(tmp_path / "run"), "--json"],
                    capture_output=True,
                    text=True,
                    timeout=120,
                )
                assert "the robot waits: put the scene of task wipe in place" in said.stdout, said.stderr
            driver.drive(1.0)
            moved = driver.settled() - begin
            assert 0.02 < moved <= 0.25 * robot.limits[robot.joints[0]].velocity * 1.5, moved
            done = subprocess.run(
                [sys.executable, *command[:2], "stop", *command[3:]],
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            driver.status(RobotStatus.STOPPED)
