"""Who starts a graph waits for servers, not for those that ask them."""

from __future__ import annotations

from rclpy.action import ActionClient
from support.nodes import bench

from amf_msgs.action import FineTune
from amf_msgs.srv import NextTask
from amf_ros.ros import names
from amf_ros.ros.ready import ACTIONS, SERVICES, missing_servers


def test_a_client_is_not_taken_for_its_server() -> None:
    with bench() as made, missing_servers() as missing:
        tuning = ActionClient(made.client, FineTune, names.FINE_TUNE)
        client = made.client.create_client(NextTask, names.NEXT_TASK)

        def seen() -> bool:
            return names.NEXT_TASK in {
                name.removeprefix("/") for name, _ in made.client.get_service_names_and_types()
            }

        made.until(seen, "the client in the list of services")
        assert set(missing(0.5)) == {*SERVICES, *ACTIONS}
        made.client.create_service(NextTask, names.NEXT_TASK, lambda _, response: response)
        made.until(client.service_is_ready, "the server")
        made.until(lambda: names.NEXT_TASK not in missing(0.1), "the server to be seen")
        assert names.FINE_TUNE in missing(0.1)
        tuning.destroy()
