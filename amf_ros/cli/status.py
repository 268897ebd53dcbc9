"""``amf status``: what a session directory holds, and which nodes of the graph can be seen."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amf_ros.cli.graph import running
from amf_ros.cli.options import DEFAULT_DIRECTORY, Json, Namespace, SessionDirectory, panel
from amf_ros.cli.output import Output, fraction

if TYPE_CHECKING:
    from amf_ros.store.run_directory import RunDirectory

_GRAPH_WAIT_S = 12.0  # at most: nodes that just started were seen after up to 7 s on busy cores


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel("Look and mend", "amf status", "amf status --session-directory runs/demo --json --no-graph")
    )(status)


def status(
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    namespace: Namespace = "",
    graph: Annotated[bool, typer.Option(help="Look for the running nodes too.")] = True,
    as_json: Json = False,
) -> None:
    """Show what a session directory holds, and which nodes run."""
    from amf_ros.core.errors import DataError
    from amf_ros.store.run_directory import RunDirectory

    output = Output(as_json)
    if not session_directory.is_dir():
        raise DataError(
            f"no session directory {session_directory}; `amf pretrain` makes one, or name another"
        )
    found = stored(RunDirectory(session_directory))
    alive = _running(namespace) if graph else None

    def show() -> None:
        _show_session(output, found)
        if alive is not None:
            _show_graph(output, alive)

    output.answer({**found, "graph": alive}, show)


def stored(run: RunDirectory) -> dict[str, Any]:
    """Return what a session directory holds, as plain values."""
    from amf_ros.session.inspection import inspect

    seen = inspect(run)
    return {
        "session_directory": str(run.root),
        "checkpoints": list(seen.checkpoints),
        "unfinished": list(seen.unfinished),
        "demonstrations_stored": seen.num_demonstrations,
        "rollouts_stored": seen.num_rollouts,
        "bytes": seen.num_bytes,
        "problems": [f"{found.path}: {found.problem}" for found in seen.problems],
        "session": seen.story,
    }


def _show_session(output: Output, found: dict[str, Any]) -> None:
    output.say(found["session_directory"], "bold")
    checkpoints = [one + " (unfinished)" * (one in found["unfinished"]) for one in found["checkpoints"]]
    output.say(
        f"{found['demonstrations_stored']} demonstrations, {found['rollouts_stored']} roll-outs, "
        f"{found['bytes'] / 1e6:.1f} MB; checkpoints: {', '.join(checkpoints) or 'none'}"
    )
    for problem in found["problems"]:
        output.say(f"! {problem}", "yellow")
    if found["problems"]:
        where = shlex.quote(found["session_directory"])
        output.say(f"`amf doctor -d {where}` says what to do about each")
    story = found["session"]
    if story is None:
        output.say("no session was started here yet; start one with `amf session`")
        return
    plan, done = story["plan"], story["rounds"]
    before, after = story["success_before"], story["success_after"]
    finished = done >= plan["num_rounds"] or story["stopped_early"]
    output.say(
        f"session: strategy {story['strategy']}, seed {story['seed']}, {done} of {plan['num_rounds']} rounds"
        + ("" if finished else "; `amf session` with the same options continues it")
    )
    rows = []
    for name in dict.fromkeys([*plan["targets"], *plan["candidates"]]):
        first, last = before["tasks"].get(name, {}), after["tasks"].get(name, {})
        rows.append((name, story["demonstrations"].count(name) or "", _count(first), _count(last)))
    total = ("all", len(story["demonstrations"]), _count(before), _count(after))
    output.table("", ("task", ">demonstrations", ">success before", ">newest"), rows, total)


def _show_graph(output: Output, alive: dict[str, Any] | str) -> None:
    if isinstance(alive, str):
        output.say(f"graph: not looked at: {alive}")
        return
    nodes = alive["nodes"]
    missing = [name for name, there in nodes.items() if not there]
    if len(missing) == len(nodes):
        output.say("graph: no node is running; `amf up` starts them")
    elif missing:
        output.say(
            f"graph: {len(nodes) - len(missing)} of {len(nodes)} nodes run; missing: {', '.join(missing)}"
        )
    else:
        output.say(f"graph: all {len(nodes)} nodes run")
    for name in ("robot", "session", "next"):
        if alive[name]:
            output.say(f"{name}: {alive[name]}")
    for sentence in alive["wrong"]:
        output.say(f"! {sentence}", "yellow")


def _running(namespace: str) -> dict[str, Any] | str:
    """Return what can be seen of the graph, or a sentence where there is no ROS to look with."""
    from amf_ros.cli.ros_present import missing_ros

    problem = missing_ros()
    if problem:
        return problem
    return running(namespace, _GRAPH_WAIT_S)


def _count(one: dict[str, Any]) -> str:
    return fraction(one.get("successes", 0), one.get("episodes", 0))
