"""Who starts a graph waits for servers, not for those that ask them."""

from __future__ import annotations

import subprocess
import sys

from rclpy.action import ActionClient
from support.nodes import bench

from amf_msgs.action import FineTune
from amf_msgs.srv import NextTask
from amf_ros.ros import names
from amf_ros.ros.client.ready import missing_servers

SERVER = f"""
import rclpy
from amf_msgs.srv import NextTask
rclpy.init()
node = rclpy.create_node("server")
node.create_service(NextTask, "{names.NEXT_TASK}", lambda _, response: response)
rclpy.spin(node)
"""


def test_a_client_is_not_taken_for_its_server() -> None:
    """The server is another process, as in a graph."""
    with bench() as made, missing_servers() as missing:
        tuning = ActionClient(made.client, FineTune, names.FINE_TUNE)
        made.client.create_client(NextTask, names.NEXT_TASK)

        def listed() -> set[str]:
            return {name.removeprefix("/") for name, _ in made.client.get_service_names_and_types()}

        made.until(lambda: names.NEXT_TASK in listed(), "the client in the list of services")
        assert names.NEXT_TASK in missing(0.5)
        server = subprocess.Popen([sys.executable, "-c", SERVER])
        try:
            made.until(lambda: names.NEXT_TASK not in missing(0.1), "the server to be seen")
            assert names.FINE_TUNE in missing(0.1)
        finally:
            server.kill()
            server.wait()
        tuning.destroy()
