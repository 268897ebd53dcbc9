"""The whole graph: ros2 launch amf_ros amf.launch.py session_directory:=runs/lab real_time_factor:=1.0

What runs and with which arguments is in ``amf_ros/graph.py``, which ``amf up`` reads too.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from amf_ros import graph
from amf_ros.ros.environment import default_params, transports
from amf_ros.ros.lifeline import tied_to_this_process

RESPAWN_DELAY_S = 1.0


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    values = {a.name: LaunchConfiguration(a.name).perform(context) for a in graph.ARGUMENTS}
    params = values["params"] or default_params()
    return [
        Node(
            package=graph.PACKAGE,
            executable=node.name,
            name=node.name,
            namespace=values["namespace"],
            parameters=[
                *([params] if params else []),
                graph.parameters(node, values),
            ],
            arguments=["--ros-args", "--log-level", values["log_level"]],
            output="screen",
            emulate_tty=True,
            respawn=True,
            respawn_delay=RESPAWN_DELAY_S,
        )
        for node in graph.nodes(values)
    ]


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in graph.ARGUMENTS
    ]
    shared = (
        transports() | tied_to_this_process()
    )  # launch that is killed stops nobody: they end by themselves
    environment = [SetEnvironmentVariable(name, value) for name, value in shared.items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=nodes)])
