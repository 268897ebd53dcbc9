"""The graph of amf_ros: `ros2 launch amf_ros amf.launch.py --show-args` lists the arguments.

Which nodes run with which parameters stands in amf_ros/graph.py, which `amf up` reads too.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from amf_ros import graph
from amf_ros.ros.supervise import shipped


def _start(context: LaunchContext) -> list[Node]:
    values = {a.name: LaunchConfiguration(a.name).perform(context) for a in graph.ARGUMENTS}
    return [
        Node(
            package=graph.PACKAGE,
            executable=node.name,
            arguments=graph.ros_arguments(node, values, shipped("params.yaml")),
            output="screen",
            respawn=True,
            respawn_delay=1.0,
        )
        for node in graph.NODES
    ]


def generate_launch_description() -> LaunchDescription:
    """Declare every argument of the graph, then start its nodes."""
    declared = [
        DeclareLaunchArgument(
            a.name, default_value=a.default, description=a.description, choices=a.choices or None
        )
        for a in graph.ARGUMENTS
    ]
    profile = SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", shipped("fastdds.xml"))
    return LaunchDescription([*declared, profile, OpaqueFunction(function=_start)])
