"""The whole graph: ros2 launch amf_ros amf.launch.py session_directory:=runs/lab real_time_factor:=1.0

What runs and with which arguments is in ``amf_ros/ros/start/graph.py``, which ``amf up`` reads too.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from amf_ros.ros.node.runtime import EXIT_USAGE
from amf_ros.ros.robot.sole import refuse_second
from amf_ros.ros.start import graph
from amf_ros.ros.start.graph_environment import default_params, transports
from amf_ros.ros.start.lifeline import tied_to_this_process

RESPAWN_DELAY_S = 1.0


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    values = {a.name: LaunchConfiguration(a.name).perform(context) for a in graph.ARGUMENTS}
    params = values["params"] or default_params()
    refuse_second(values["namespace"])
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
            on_exit=give_up,
        )
        for node in graph.nodes(values)
    ]


def give_up(event: ProcessExited, _: LaunchContext) -> list[LaunchDescriptionEntity]:
    """A node that cannot run, as one with a wrong parameter, is not started again and again."""
    if event.returncode != EXIT_USAGE:
        return []
    return [Shutdown(reason=f"{event.process_name} cannot run: its error is above")]


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
