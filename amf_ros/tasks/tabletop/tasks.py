"""The tasks of the suite as a table. Imports types only.

Every task names the roles ``object``, what moves, and ``target``, where it goes or what it belongs to. A task
at something that stands on the table names it in the role ``fixture``, one with a third thing names that in
``aux``. A role that a task lacks is left out, never filled with another's object: the contract's features
say that it is absent (``config/contracts``), and one vector serves all tasks.
"""

from __future__ import annotations

from amf_ros.core.values import Task


def _task(
    task_id: str,
    instruction: str,
    skill: str,
    obj: str,
    target: str,
    *,
    aux: str | None = None,
    fixture: str | None = None,
    limit_s: float = 7.0,
) -> Task:
    named = {"object": obj, "target": target, "aux": aux, "fixture": fixture}
    roles = {role: name for role, name in named.items() if name is not None}
    return Task(task_id, instruction, roles, {"skill": skill, "object": obj, "target": target}, limit_s)


TASKS = (
    _task("place_red_left", "put the red cube in the left tray", "pick_place", "cube_red", "tray_left"),
    _task("place_red_right", "put the red cube in the right tray", "pick_place", "cube_red", "tray_right"),
    _task("place_blue_left", "put the blue cube in the left tray", "pick_place", "cube_blue", "tray_left"),
    _task("place_blue_right", "put the blue cube in the right tray", "pick_place", "cube_blue", "tray_right"),
    _task("push_green", "push the green cube onto the mark", "push", "cube_green", "goal"),
    _task("stack_red_on_blue", "stack the red cube on the blue cube", "stack", "cube_red", "cube_blue"),
    _task("stack_green_on_red", "stack the green cube on the red cube", "stack", "cube_green", "cube_red"),
    _task("open_drawer", "open the drawer", "open", "drawer_handle", "cabinet", fixture="cabinet"),
    _task("close_drawer", "close the drawer", "close", "drawer_handle", "cabinet", fixture="cabinet"),
    _task("open_door", "open the door", "open", "door_handle", "door_frame", fixture="door_frame"),
    _task("close_door", "close the door", "close", "door_handle", "door_frame", fixture="door_frame"),
    _task("press_button", "press the button", "press", "button", "button_base", fixture="button_base"),
    _task("turn_faucet", "turn the faucet on", "turn", "faucet_handle", "faucet_base", fixture="faucet_base"),
    _task("insert_peg", "put the peg into the slot", "insert", "peg", "slot", fixture="slot", limit_s=8.0),
    _task(
        "tower_of_three",
        "stack the red cube on the blue cube and the green cube on top",
        "stack",
        "cube_red",
        "cube_blue",
        aux="cube_green",
        limit_s=12.0,
    ),
    _task(
        "store_red_in_drawer",
        "put the red cube in the drawer and close it",
        "pick_place",
        "cube_red",
        "drawer",
        fixture="cabinet",
        limit_s=14.0,
    ),
)
