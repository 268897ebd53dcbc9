"""``amf up``: start the graph as processes, with the arguments of the launch file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amf_ros import graph as description
from amf_ros.cli.options import example
from amf_ros.cli.output import Output
from amf_ros.errors import ConfigError, UnknownName

_READY_S = 60.0


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
        Path | None, typer.Option(help="One log file per node there, instead of all output here.")
    ] = None,
) -> None:
    """Start all nodes of the graph and keep them running until Ctrl-C.

    A node that dies is started again. Where ROS 2's launch package is installed,
    ros2 launch amf_ros amf.launch.py does the same.
    """
    from amf_ros.cli.environment import require_ros

    values = parse(arguments or [])
    require_ros()
    from amf_ros.ros.supervise import Graph

    output = Output()
    directory = values.get("session_directory", description.arguments({})["session_directory"])
    logs = log_directory or Path(directory) / "log"
    with Graph(values, logs, echo=log_directory is None) as graph:
        try:
            graph.wait_ready(_READY_S)
            output.say(
                f"all {len(graph.nodes)} nodes are up, session directory {directory}; Ctrl-C stops them"
            )
            output.say("in another terminal: amf next, amf record, amf session, amf status", "dim")
            graph.wait()
            graph.check()
        except KeyboardInterrupt:
            output.say("stopping the nodes")


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
        choices = known[name].choices
        if choices and value not in choices:
            raise ConfigError(f"{name}:={value}: must be one of {', '.join(choices)}")
        values[name] = value
    return values
