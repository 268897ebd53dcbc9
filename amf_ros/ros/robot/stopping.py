"""A stop that outlives the robot node: kept in a file by the node itself, and by others while it is away.

    stops = StopFile(stop_path(state_directory, domain_id, namespace))
    reason = stops.read(simulated=True)          # "" = the arm may move
    StopKeeper(node)                             # in nodes that are likely to be up while the robot is not

What is not kept: a stop on the topic while the robot node and every keeper are down, unless its publisher
latches it (transient local). A restarted robot hears keepers a moment after it has started.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import Bool, Empty

from amf_msgs.msg import RobotStatus
from amf_ros.ros import names, qos
from amf_ros.store.files import storage_errors, write_whole


def stop_path(state_directory: str, domain_id: int, namespace: str) -> Path:
    """Return the file of the robot of one namespace in one domain, as seen from this machine.

    Args:
        state_directory: empty = ``amf_ros`` in ``ROS_HOME``, which is ``~/.ros`` unless set.
        domain_id: ROS domain.
        namespace: of the node.
    """
    home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    folder = Path(state_directory).expanduser() if state_directory else home / "amf_ros"
    place = "".join(f".{part}" for part in namespace.split("/") if part)  # no part holds a dot
    return folder / f"stop_{domain_id}{place}.json"


class StopFile:
    """Whether a robot is stopped, on disk, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, *, simulated: bool) -> str:
        """Why the robot starts stopped; empty where it may move at once: a simulation that was not stopped.

        A file that cannot be read counts as a stop.
        """
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            reason, since = str(kept["reason"]), str(kept["since"])
        except FileNotFoundError:
            reason = since = ""
        except (OSError, ValueError, TypeError, KeyError) as error:
            return f"{self.path} does not say whether the robot was stopped ({type(error).__name__})"
        if reason:
            return f"{reason}, {since}, before the robot node restarted"
        return "" if simulated else "the robot node started; look at the arm, then release it"

    def write(self, reason: str) -> None:
        """Keep a stop, or with an empty reason its release.

        Raises:
            StorageError: the disk is full or not writable; what was kept before stands.
        """
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps({"reason": reason, "since": since}).encode())


class StopKeeper:
    """Holds a stop that came on the topic until the robot has said, after it, that it is stopped.

    It says so on a latched topic, which a robot node that starts hears late, but hears. What the robot said
    before proves nothing: it may have died since, without its stop on the disk. A robot node whose disk does
    not take a stop says it again on the topic, however it came, and answers none until the disk does.
    """

    def __init__(self, node: Node) -> None:
        self._asked = False
        self._publisher = node.create_publisher(Bool, names.STOP_ASKED, qos.LATCHED)
        for profile in (qos.EVENT, qos.UNRELIABLE):
            node.create_subscription(Empty, names.STOP_TOPIC, self._on_stop, profile)
        node.create_subscription(RobotStatus, names.ROBOT_STATUS, self._on_status, qos.LATCHED)

    def _on_stop(self, _: Empty) -> None:
        if not self._asked:
            self._asked = True
            self._publisher.publish(Bool(data=True))

    def _on_status(self, status: RobotStatus) -> None:
        if self._asked and status.status == RobotStatus.STOPPED:
            self._asked = False
            self._publisher.publish(Bool(data=False))
