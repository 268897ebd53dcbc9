"""Options that several commands share, so that they read and behave alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from amf_ros.core.defaults import SESSION_DIRECTORY

JSON_ASKED = "amf_json"  # in the context's meta: errors are told as JSON too


def _remember(context: typer.Context, value: bool) -> bool:
    context.meta[JSON_ASKED] = value
    return value


Json = Annotated[
    bool, typer.Option("--json", callback=_remember, help="Answer with one JSON document on stdout.")
]
SessionDirectory = Annotated[
    Path,
    typer.Option(
        "--session-directory",
        "-d",
        envvar="AMF_SESSION_DIRECTORY",
        help="Folder of demonstrations, checkpoints and the journal.",
    ),
]
Namespace = Annotated[
    str,
    typer.Option("--namespace", envvar="AMF_NAMESPACE", help="ROS namespace of the graph, e.g. /left_arm."),
]
MOST = 2**31 - 1  # of anything that is counted: what a message can hold
MOST_SEED = 2**63 - 1
Seed = Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Everything random follows from it.")]
Suite = Annotated[
    str, typer.Option("--suite", help="Task suite: a registered name, or package.module:Class.")
]
Contract = Annotated[
    str, typer.Option("--contract", help="Observations and actions: a name in config/contracts, or a path.")
]
Timeout = Annotated[float, typer.Option("--wait", min=0.0, help="Seconds to wait for a node.")]

DEFAULT_DIRECTORY = Path(SESSION_DIRECTORY)


def example(*lines: str) -> str:
    """Return an epilog with example command lines."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"[cyan]{line}[/cyan]" for line in lines)])


def panel(name: str, *examples: str) -> dict[str, Any]:
    """Say where a command stands in ``amf --help``, and its examples."""
    return {"rich_help_panel": name, "epilog": example(*examples)}
