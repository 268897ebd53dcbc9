"""What the commands that talk to nodes have in common. Nothing here imports rclpy before it is called.

with connect(namespace, wait_s=10.0) as graph:
    start_stamp = reset_scene(graph, "open_drawer", seed=3)
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from amf_ros.cli.ros_present import require_ros
from amf_ros.core.errors import AmfError
from amf_ros.core.paths import home_expanded, local_path

if TYPE_CHECKING:
    from amf_ros.ros.client.graph_client import GraphClient
    from amf_ros.ros.start.supervise import Graph

ROBOT = ("ready", "stopped", "fault")  # RobotStatus.*
_WHO_S = 5.0
_STREAMS_S = 3.0  # the recorder tells about its streams again and again
OUTCOMES = ("unlabeled", "success", "failure")  # Demonstration.OUTCOME_*


class NotReady(AmfError):
    """The graph was started and does not offer everything in time; names what is missing."""


def connect(namespace: str, wait_s: float) -> GraphClient:
    """Return a client of the running graph.

    Raises:
        NoRos: there is no ROS 2 in this environment.
        ConfigError: the domain or the namespace cannot be one.
    """
    require_ros(namespace)
    from amf_ros.ros.client.graph_client import GraphClient

    return GraphClient(namespace, wait_s)


def running(namespace: str, wait_s: float) -> dict[str, Any]:
    """``nodes``: name -> whether it is in the graph now; ``robot``, ``session``, ``next``: last words.

    ``wrong``: what keeps the arm from moving or recordings from being whole, a sentence each.
    """
    from std_msgs.msg import String

    from amf_msgs.msg import RobotStatus, SessionState, StreamStatuses, TaskScores
    from amf_ros.ros import names, qos

    with connect(namespace, wait_s) as client:
        nodes = _seen(client, wait_s)
        robot = client.latched(RobotStatus, names.ROBOT_STATUS) if nodes["robot"] else None
        session = client.latched(SessionState, names.SESSION_STATE) if nodes["session"] else None
        scores = client.latched(TaskScores, names.SCORES) if nodes["task_selector"] else None
        # A robot whose scenes a simulator sets up has no such topic.
        by_hand = client.node.count_publishers(names.SCENE_WANTED) > 0
        wanted = client.latched(String, names.SCENE_WANTED) if by_hand else None
        streams = None
        if nodes["demo_recorder"]:
            streams = client.latched(StreamStatuses, names.RECORDER_STREAMS, _STREAMS_S, qos.EVENT)
    return {
        "nodes": nodes,
        "robot": None if robot is None else robot_words(robot),
        "session": None if session is None else _where(session),
        "next": None if scores is None else _choice(scores),
        "wrong": [*_refusals(robot), *_unplaced(wanted), *_broken_streams(streams)],
    }


def _seen(client: GraphClient, wait_s: float) -> dict[str, bool]:
    """Return the nodes that this graph should have, given who demonstrates, and whether each is there."""
    from amf_ros.ros.client.answers import ServerUnavailable
    from amf_ros.ros.start.graph import nodes

    seen = client.sees(tuple(node.name for node in nodes({"demonstrator": "person"})), wait_s)
    who = "expert"
    if seen["demo_recorder"]:
        with suppress(ServerUnavailable):  # it hangs; that teleop is missing may then be said wrongly
            who = demonstrator(client, _WHO_S)
    wanted = [node.name for node in nodes({"demonstrator": who})]
    rest = tuple(name for name in wanted if name not in seen)
    more = client.sees(rest, wait_s) if rest and any(seen.values()) else dict.fromkeys(rest, False)
    return {name: (seen | more)[name] for name in wanted}


def demonstrator(client: GraphClient, timeout_s: float = 60.0) -> str:
    """Who demonstrates in this graph, ``expert`` or ``person``, as it was started.

    Raises:
        ServerUnavailable: the recorder does not answer.
    """
    from rcl_interfaces.srv import GetParameters

    # The recorder is asked because nothing is recorded without it: other nodes may be missing, or seen late.
    request = GetParameters.Request(names=["demonstrator"])
    response = client.call(GetParameters, "demo_recorder/get_parameters", request, timeout_s)
    return str(response.values[0].string_value)


def _refusals(robot: Any) -> list[str]:
    """Return what the robot node says that it did not do."""
    if robot is None:
        return []
    said = []
    if robot.status != robot.READY:
        release = "; `amf enable` once it is safe" if robot.status == robot.STOPPED else ""
        said.append(f"the arm holds still: {robot.reason or 'no reason was given'}{release}")
    if robot.num_refused:
        said.append(f"the robot refused {robot.num_refused} commands, the newest because {robot.refusal}")
    return said


def _unplaced(wanted: Any) -> list[str]:
    """Return what a person is asked to put in place."""
    return [f"the robot waits: {wanted.data}; then `amf ready`"] if wanted is not None and wanted.data else []


def _broken_streams(streams: Any) -> list[str]:
    """Return what the recorder says about the topics that a demonstration needs."""
    if streams is None:
        return []
    said = []
    for number, one in enumerate(streams.streams):
        skipped = f" ({one.num_skipped} messages left out)" if one.num_skipped else ""
        # The first are the demonstrator's commands: between demonstrations nobody sends any.
        silent = "nothing has come yet" if number and one.required and math.isnan(one.age) else ""
        if one.problem or silent:
            said.append(f"stream {one.topic}: {one.problem or silent}{skipped}")
    return said


def robot_words(status: Any) -> str:
    """Say in one line from a RobotStatus whether the arm may move, and what became of commands."""
    words = [f"{ROBOT[status.status]} {status.reason}".strip()]
    if status.num_applied:
        changed = f" ({status.num_changed} changed by its limits)" if status.num_changed else ""
        words.append(f"{status.num_applied} commands applied{changed}")
    return "; ".join(words)


def _where(message: Any) -> str:
    from amf_ros.cli.session_view import from_message

    state = from_message(message)
    phase = state.phase.name.lower().replace("_", "-")
    return " ".join(
        filter(None, [f"round {state.round}/{state.num_rounds}", phase, state.task_id, state.detail])
    )


def _choice(scores: Any) -> str:
    if scores.error_code:
        return f"nothing yet: {scores.error_msg}"
    return f"{', '.join(scores.task_ids)} ({scores.strategy} by {scores.policy_id})"


def wait_ready(graph: Graph, timeout_s: float, namespace: str = "") -> None:
    """Return once every node of a graph that was just started offers what others ask of it.

    The environment of this process must be that of the graph.

    Raises:
        NodeFailed: a node ended, with its last words.
        NotReady: something did not appear in time.
    """
    from amf_ros.ros.client.ready import missing_servers

    end = time.monotonic() + timeout_s
    with missing_servers(namespace) as missing:
        while waiting := missing(0.1):
            graph.check()
            if time.monotonic() > end:
                node = waiting[0].split("/")[0]
                raise NotReady(
                    f"{', '.join(waiting)} did not appear within {timeout_s:.0f} s; node {node} said: "
                    f"{graph.last_words(node)} (whole log: {graph.logs / node}.log)"
                )


def reset_scene(graph: GraphClient, task_id: str, seed: int) -> Any:
    """Bring robot and scene to a start of the task; the stamp of the episode's first state.

    On hardware the operator is asked to place the objects, where there is one at the terminal.

    Raises:
        Refused: unknown task, robot not ready, or objects to place and nobody there.
    """
    from std_srvs.srv import Trigger

    from amf_msgs.srv import ResetScene
    from amf_ros.ros import names
    from amf_ros.ros.client.graph_client import Refused

    request = ResetScene.Request(task_id=task_id, seed=seed)
    while True:
        try:
            return graph.call(ResetScene, names.RESET_SCENE, request).stamp
        except Refused as refusal:
            if refusal.code != ResetScene.Response.OPERATOR_REQUIRED or not sys.stdin.isatty():
                raise
            sys.stderr.write(f"{refusal}\nplace the objects, then press Enter: ")
            sys.stdin.readline()
            graph.call(Trigger, names.SCENE_READY, Trigger.Request())


def load_checkpoint(graph: GraphClient, source: str) -> Any:
    """Ask the policy executor whether it can use a checkpoint, by path or URI; empty: the newest one.

    Returns:
        The checkpoint's metadata, to name it in goals: every goal runs the same one.

    Raises:
        Refused: it is missing, unreadable, or made for something else.
    """
    from amf_msgs.srv import LoadCheckpoint
    from amf_ros.ros import names

    uri = home_expanded(local_path(source, "checkpoint")).resolve().as_uri() if source else ""
    return graph.call(LoadCheckpoint, names.LOAD_CHECKPOINT, LoadCheckpoint.Request(uri=uri)).checkpoint


def execute_policy(graph: GraphClient, task_id: str, checkpoint_uri: str, start_stamp: Any = None) -> Any:
    """Let the policy of a checkpoint do one episode, and return the action's result."""
    from amf_msgs.action import ExecutePolicy
    from amf_ros.ros import names

    goal = ExecutePolicy.Goal(
        task_id=task_id, rollout_id=names.fresh_id(task_id), checkpoint_uri=checkpoint_uri
    )
    if start_stamp is not None:
        goal.start_stamp = start_stamp
    return graph.act(ExecutePolicy, names.EXECUTE_POLICY, goal)


def task_ids(graph: GraphClient) -> list[str]:
    """Return the suite's tasks, in their order."""
    from amf_msgs.srv import GetTasks
    from amf_ros.ros import names

    return [task.id for task in graph.call(GetTasks, names.GET_TASKS, GetTasks.Request()).tasks]


def seconds(duration: Any) -> float:
    """Return the seconds of a duration message."""
    return float(duration.sec) + float(duration.nanosec) * 1e-9
