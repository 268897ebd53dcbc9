"""How soon the mock arm stands still: after a stop, silence, bad states, a killed robot node.

    python benchmarks/reactions.py --trials 50

Real processes and topics: robot node and mock_arm, commands at 20 Hz, states at 100 Hz. Each trial moves a
joint at constant speed, lets the thing happen, and measures from then to the last state that shows motion,
as it arrives here. The limit is 200 ms; the contract's watchdog (150 ms) is part of what silence takes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amf_msgs.msg import RobotStatus
from amf_ros.ros import names, qos
from amf_ros.ros.client.graph_client import GraphClient, ServerLost, ServerUnavailable
from amf_ros.ros.start.supervise import Graph

LIMIT_MS = 200.0
MOVED_RAD = 1e-5
JOINT = "panda_joint7"  # not the one that the fault `nan` spoils
STEP_RAD = 0.02
WATCH_S = 1.0


class Rehearsal:
    """A graph, and somebody who drives it."""

    def __init__(self, graph: Graph, client: GraphClient) -> None:
        self.graph, self.client, self.way = graph, client, 1.0
        self.seen: list[tuple[float, float]] = []
        self.header = JointState().header
        self.status = RobotStatus(status=RobotStatus.FAULT)
        client.node.create_subscription(JointState, "joint_states", self._on_state, qos.STREAM)
        client.node.create_subscription(RobotStatus, names.ROBOT_STATUS, self._on_status, qos.LATCHED)
        self.command = client.node.create_publisher(JointTrajectory, "command", qos.STREAM)

    def _on_state(self, state: JointState) -> None:
        self.header = state.header
        self.seen.append((time.monotonic(), state.position[list(state.name).index(JOINT)]))

    def _on_status(self, status: RobotStatus) -> None:
        self.status = status

    def wait(self, done: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        """Wait for something, or end with what the robot says."""
        if not self.client.waiting.until(done, timeout_s):
            raise SystemExit(f"waited {timeout_s:g} s for {what}; the robot says: {self.status.reason}")

    def fault(self, name: str) -> None:
        """Let something go wrong in the mock; empty: mend it."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=name)
        request = SetParameters.Request(parameters=[Parameter(name="fault", value=value)])
        self.client.call(SetParameters, "mock_arm/set_parameters", request)

    def enable(self) -> None:
        """Allow motion, once the robot node is there."""
        self.wait(lambda: self.command.get_subscription_count() > 0, "the robot node")
        while True:  # discovery keeps a killed node's service for a while: then nobody answers
            try:
                self.client.call(Trigger, names.RELEASE_STOP, Trigger.Request(), 3.0)
                break
            except (ServerLost, ServerUnavailable):
                continue
        self.wait(lambda: self.status.status == RobotStatus.READY, "the arm to be ready")

    def drive(self, seconds: float, then: Callable[[], object] | None = None) -> None:
        """Stream at 20 Hz; what is to happen happens between two commands, and the stream goes on."""
        end_s, happens_s = time.monotonic() + seconds, time.monotonic() + seconds - WATCH_S
        while time.monotonic() < end_s:
            if then is not None and time.monotonic() >= happens_s:
                self.happened_s = time.monotonic()
                then()
                then = None
            point = JointTrajectoryPoint(positions=[self.seen[-1][1] + self.way * STEP_RAD])
            point.time_from_start.nanosec = 50_000_000
            self.command.publish(JointTrajectory(header=self.header, joint_names=[JOINT], points=[point]))
            self.client.waiting.until(lambda: False, 0.05)

    def moved_ms(self) -> float:
        """Return for how long the joint moved on after it happened [ms]."""
        after = [(when_s, where) for when_s, where in self.seen if when_s >= self.happened_s - 0.05]
        moving = [b[0] for a, b in zip(after, after[1:], strict=False) if abs(b[1] - a[1]) > MOVED_RAD]
        return max(0.0, (max(moving, default=self.happened_s) - self.happened_s) * 1e3)

    def trial(self, kind: str) -> float:
        """Do one trial; return for how long the joint moved on [ms]."""
        self.seen = self.seen[-5:]
        if kind == "silence":
            self.drive(0.6)
            self.happened_s = time.monotonic()
            self.client.waiting.until(lambda: False, WATCH_S)
        else:
            stop = {
                "stop service": lambda: self.client.call(Trigger, names.STOP, Trigger.Request()),
                "stale stamps": lambda: self.fault("stale_stamps"),
                "NaN state": lambda: self.fault("nan"),
                "robot node killed": lambda: os.kill(self.graph.pids()["robot"], signal.SIGKILL),
            }[kind]
            self.drive(0.6 + WATCH_S, stop)
        moved = self.moved_ms()
        self.way = -self.way
        if kind not in ("silence", "stop service", "robot node killed"):
            self.fault("")
        if kind == "robot node killed":
            self.status = RobotStatus(status=RobotStatus.FAULT)
            self.wait(lambda: self.status.status == RobotStatus.STOPPED, "the robot node to be back")
        self.enable()
        return moved


KINDS = ("silence", "stop service", "stale stamps", "NaN state", "robot node killed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="one JSON object: kind -> all trials [ms]")
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ROS_HOME"] = folder
        arguments = {"robot": "mock", "robot_config": "panda", "session_directory": folder}
        with Graph(arguments, Path(folder) / "log", only=("robot", "mock_arm")) as graph:
            os.environ.update(graph.environment)
            with GraphClient(wait_s=60.0) as client:
                one = Rehearsal(graph, client)
                one.wait(lambda: bool(one.seen), "states")
                one.enable()
                head = f"the arm stands still after [ms], {options.trials} trials each; limit {LIMIT_MS:g}"
                print(head, file=sys.stderr if options.json else sys.stdout)
                result: dict[str, list[float]] = {}
                for kind in options.kinds:
                    took = np.array([one.trial(kind) for _ in range(options.trials)])
                    result[kind] = took.round(1).tolist()
                    p50, p99 = np.percentile(took, (50, 99))
                    worst = took.max()
                    said = f"{kind:20} p50 {p50:6.0f}  p99 {p99:6.0f}  worst {worst:6.0f}"
                    ratio = f"  = {worst / LIMIT_MS:.2f} of the limit"
                    print(said + ratio, file=sys.stderr if options.json else sys.stdout, flush=True)
                if options.json:
                    print(json.dumps(result))


if __name__ == "__main__":
    main()
