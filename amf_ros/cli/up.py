"""``amf up``: start the graph as processes, with the arguments of the launch file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.graph import wait_ready
from amf_ros.cli.options import example
from amf_ros.cli.output import Output, undisturbed
from amf_ros.core.errors import ConfigError, UnknownName
from amf_ros.ros.start import graph as description
from amf_ros.ros.start.lifeline import die_with, parent

if TYPE_CHECKING:
    from amf_ros.ros.start.supervise import Graph

_READY_S = 120.0
_LOOK_EVERY_S = 0.5


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    rows = [
        f"{one.name}:={one.default or '…'}  [dim]{one.description}[/dim]" for one in description.ARGUMENTS
    ]
    epilog = "\n\n".join(
        [
            "[bold]Arguments[/bold], as of amf.launch.py, with their defaults",
            *rows,
            example("amf up", "amf up session_directory:=runs/mine real_time_factor:=0.0"),
        ]
    )
    app.command(rich_help_panel="The whole loop", epilog=epilog)(up)


def up(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="See below.", show_default=False)
    ] = None,
    log_directory: Annotated[
        Path | None, typer.Option(help="One log file per node there; none: in the session directory.")
    ] = None,
) -> None:
    """Start all nodes of the graph and keep them running until Ctrl-C.

    A node that dies is started again. All end with the shell that started them; nohup or setsid
    in front detaches them from it. Where a robot node is up already in this namespace and domain,
    here or on another computer, nothing is started. Where ROS 2's launch package is installed,
    ros2 launch amf_ros amf.launch.py does the same.
    """
    from amf_ros.cli.ros_present import require_ros, ros_domain

    values = parse(arguments or [])
    require_ros(values.get("namespace", ""))
    _end_when_told()
    from amf_ros.ros.robot.sole import refuse_second
    from amf_ros.ros.start.supervise import Graph
    from amf_ros.tasks.loading import load_robot_suite

    filled = description.arguments(values)
    load_robot_suite(filled["suite"])  # once here, not once in each node
    output = Output()
    directory = filled["session_directory"]
    logs = log_directory or Path(directory) / "log"
    # People run other ROS programs beside it, maybe on other computers: their domain, their reach.
    domain = ros_domain()
    reach = {"ROS_AUTOMATIC_DISCOVERY_RANGE": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")}
    graph = Graph(values, logs, domain_id=domain, environment=reach)
    os.environ.update(graph.environment)
    try:
        with output.working("starting the nodes"):
            refuse_second(values.get("namespace", ""))
            graph.start()
            wait_ready(graph, _READY_S, values.get("namespace", ""))
        output.say(f"{len(graph.pids())} nodes are up, session directory {directory}, logs {logs}", "bold")
        output.say(
            "in another terminal: amf next, amf record, amf session, amf status; Ctrl-C here stops", "dim"
        )
        _watch(output, graph)
    except KeyboardInterrupt:
        output.say("stopping the nodes")
    finally:
        with undisturbed():
            graph.stop()


def _end_when_told() -> None:
    """Take SIGTERM, a closed terminal and the end of the shell above as Ctrl-C, and stop in good order."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or os.getsid(0) == os.getpid()
    if not detached:
        die_with(parent())


def _watch(output: Output, graph: Graph) -> None:
    """Show what the nodes write until Ctrl-C, or until one cannot run any more."""
    follower = graph.follow()
    while True:
        for node, line in follower.lines():
            output.say(f"{node:15}  {line}")
        graph.check()
        time.sleep(_LOOK_EVERY_S)


def parse(arguments: list[str]) -> dict[str, str]:
    """``name:=value`` words as launch arguments.

    Raises:
        ConfigError: a word of another form, or a value that is not one of the argument's choices.
        UnknownName: no such argument.
    """
    known = {one.name: one for one in description.ARGUMENTS}
    values = {}
    for word in arguments:
        name, given, value = word.partition(":=")
        if not given:
            raise ConfigError(f"{word!r} is not name:=value; for example real_time_factor:=0.0")
        if name not in known:
            raise UnknownName("launch argument", name, known)
        if not known[name].allows(value):
            raise ConfigError(f"{name}:={value}: must be one of {known[name].allowed}")
        values[name] = value
    return values
