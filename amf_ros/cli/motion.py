"""``amf enable``, ``amf stop`` and ``amf ready``: what a person says beside the arm."""

from __future__ import annotations

import typer

from amf_ros.cli.graph import connect
from amf_ros.cli.options import Json, Namespace, Timeout, panel
from amf_ros.cli.output import Output


def add(app: typer.Typer) -> None:
    """Put the commands on ``amf``."""
    app.command(**panel("One step at a time", "amf enable", "amf enable --namespace left"))(enable)
    app.command(**panel("One step at a time", "amf stop"))(stop)
    app.command(**panel("One step at a time", "amf ready"))(ready)


def enable(namespace: Namespace = "", wait: Timeout = 10.0, as_json: Json = False) -> None:
    """Allow the arm to move, once you have looked at it. A real arm starts stopped and waits for this."""
    _ask(namespace, wait, as_json, enabled=True)


def stop(namespace: Namespace = "", wait: Timeout = 10.0, as_json: Json = False) -> None:
    """Stop the arm where it is; it stays so, over restarts, until `amf enable`. No emergency stop."""
    _ask(namespace, wait, as_json, enabled=False)


def ready(namespace: Namespace = "", wait: Timeout = 10.0, as_json: Json = False) -> None:
    """Say that the scene which the robot asks for is in place."""
    from amf_ros.core.errors import AmfError

    output = Output(as_json)
    with connect(namespace, wait) as graph:
        from std_srvs.srv import Trigger

        from amf_ros.ros import names

        answer = graph.call(Trigger, names.SCENE_READY, Trigger.Request(), wait)
    if not answer.success:
        raise AmfError(answer.message)
    output.answer({"answer": answer.message}, lambda: output.say(answer.message, "green"))


def _ask(namespace: str, wait_s: float, as_json: bool, *, enabled: bool) -> None:
    output = Output(as_json)
    with connect(namespace, wait_s) as graph:
        from std_srvs.srv import Trigger

        from amf_msgs.msg import RobotStatus
        from amf_ros.ros import names, qos

        service = names.RELEASE_STOP if enabled else names.STOP
        graph.call(Trigger, service, Trigger.Request(), wait_s)
        status = graph.latched(RobotStatus, names.ROBOT_STATUS, wait_s, qos.LATCHED)
    reason = "" if status is None else status.reason
    word = "enabled: the arm may move" if enabled else "stopped: the arm holds until `amf enable`"
    held = f", but it holds for now: {reason}" if enabled and reason else ""
    output.answer(
        {"enabled": enabled, "holds_because": reason},
        lambda: output.say(word + held, "yellow" if held or not enabled else "green"),
    )
