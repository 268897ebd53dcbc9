"""Success predicates on scenes made by hand: each true once, and false for what merely looks like it."""

import math

import numpy as np
import pytest

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Outcome, SceneState
from amf_ros.sim.tabletop.scene import NAMES
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.tabletop import TabletopSuite
from amf_ros.tasks.tabletop import geometry as geo

SUITE = TabletopSuite()
FAR = (0.4, 0.0, 0.4, *geo.tool_down(0.0))
TILTED = (math.sin(0.4), 0.0, 0.0, math.cos(0.4))


def pose(x, y, z, yaw=0.0):
    return (x, y, z, *geo.from_yaw(yaw))


def scene(stamp_ns=0, **poses):
    """Everything far apart on the table and shut, but for ``poses``."""
    names = ("tool0", *NAMES)
    table = {name: pose(2.0 + i, 0.0, 0.02) for i, name in enumerate(names)}
    table["tool0"] = FAR
    table["cabinet"], table["drawer_handle"] = pose(0.6, 0.0, 0.0), pose(0.565, 0.0, 0.058)
    table["drawer"] = pose(0.69, 0.0, 0.008)
    table["door_frame"], table["door_handle"] = pose(0.6, 0.1, 0.0), pose(0.6, -0.055, 0.129)
    table["button_base"], table["button"] = pose(0.5, 0.0, 0.0), pose(0.5, 0.0, 0.055)
    table["faucet_base"], table["faucet_handle"] = pose(0.5, 0.0, 0.0, -1.57), pose(0.5, -0.11, 0.093, -1.57)
    table |= poses
    return SceneState(stamp_ns, names, np.array([table[name] for name in names]))


def tool_at(x, y, z):
    return (x, y, z, *geo.tool_down(0.0))


TRAY = {"tray_left": pose(0.45, 0.3, 0.0)}
SLOT = {"slot": pose(0.5, 0.1, 0.0)}
TOWER = {
    "cube_blue": pose(0.5, 0, 0.02),
    "cube_red": pose(0.505, 0, 0.06),
    "cube_green": pose(0.5, 0.004, 0.1),
}
GOAL = {"goal": pose(0.6, 0.0, 0.0)}

DONE = {
    "place_red_left": TRAY | {"cube_red": pose(0.47, 0.28, 0.024)},
    "push_green": GOAL | {"cube_green": pose(0.59, 0.01, 0.02)},
    "stack_red_on_blue": {"cube_blue": TOWER["cube_blue"], "cube_red": TOWER["cube_red"]},
    "open_drawer": {"drawer_handle": pose(0.43, 0.0, 0.058)},
    "close_drawer": {},
    "open_door": {"door_handle": pose(0.45, 0.05, 0.129, math.radians(-70))},
    "close_door": {},
    "press_button": {"button": pose(0.5, 0.0, 0.043)},
    "turn_faucet": {"faucet_handle": pose(0.61, 0.0, 0.093, 0.0)},
    "insert_peg": SLOT | {"peg": pose(0.502, 0.1, 0.056)},
    "tower_of_three": TOWER,
    "store_red_in_drawer": {"cube_red": pose(0.64, 0.0, 0.03)},
}


def released_counterpart(task_id, thing):
    """The finished scene with the tool still around the thing."""
    x, y, z = DONE[task_id][thing][:3]
    return DONE[task_id] | {"tool0": tool_at(x, y, z)}


NOT_DONE = {
    "beside the tray": ("place_red_left", TRAY | {"cube_red": pose(0.45, 0.42, 0.02)}),
    "above the tray": ("place_red_left", TRAY | {"cube_red": pose(0.45, 0.3, 0.15)}),
    "in the tray, still held": ("place_red_left", released_counterpart("place_red_left", "cube_red")),
    "carried over the mark": ("push_green", GOAL | {"cube_green": pose(0.6, 0.0, 0.1)}),
    "held down on the mark": ("push_green", released_counterpart("push_green", "cube_green")),
    "toppled on the mark": ("push_green", GOAL | {"cube_green": (0.6, 0.0, 0.02, *TILTED)}),
    "beside the mark": ("push_green", GOAL | {"cube_green": pose(0.6, 0.05, 0.02)}),
    "stacked, still held": ("stack_red_on_blue", released_counterpart("stack_red_on_blue", "cube_red")),
    "held above": ("stack_red_on_blue", DONE["stack_red_on_blue"] | {"cube_red": pose(0.5, 0, 0.08)}),
    "leaning on it": (
        "stack_red_on_blue",
        DONE["stack_red_on_blue"] | {"cube_red": (0.51, 0, 0.06, *TILTED)},
    ),
    "next to it": ("stack_red_on_blue", DONE["stack_red_on_blue"] | {"cube_red": pose(0.54, 0, 0.02)}),
    "drawer half open": ("open_drawer", {"drawer_handle": pose(0.5, 0.0, 0.058)}),
    "drawer ajar": ("close_drawer", {"drawer_handle": pose(0.54, 0.0, 0.058)}),
    "door half open": ("open_door", {"door_handle": pose(0.5, 0.0, 0.129, math.radians(-40))}),
    "door ajar": ("close_door", {"door_handle": pose(0.58, -0.05, 0.129, math.radians(-10))}),
    "button touched": ("press_button", {"button": pose(0.5, 0.0, 0.052)}),
    "faucet half open": ("turn_faucet", {"faucet_handle": pose(0.57, -0.07, 0.093, -0.8)}),
    "peg on the rim": ("insert_peg", SLOT | {"peg": pose(0.502, 0.1, 0.115)}),
    "peg in, still held": ("insert_peg", released_counterpart("insert_peg", "peg")),
    "tower of two": ("tower_of_three", TOWER | {"cube_green": pose(0.4, 0.1, 0.02)}),
    "tower, top still held": ("tower_of_three", released_counterpart("tower_of_three", "cube_green")),
    "cube in the open drawer": (
        "store_red_in_drawer",
        {
            "cube_red": pose(0.5, 0, 0.03),
            "drawer": pose(0.55, 0, 0.008),
            "drawer_handle": pose(0.425, 0, 0.058),
        },
    ),
    "cube on the cabinet": ("store_red_in_drawer", {"cube_red": pose(0.64, 0.0, 0.105)}),
}


@pytest.mark.parametrize("task_id", DONE)
def test_done(task_id):
    assert SUITE.succeeded(task_id, scene(**DONE[task_id]))


@pytest.mark.parametrize("case", NOT_DONE)
def test_not_done(case):
    task_id, poses = NOT_DONE[case]
    assert not SUITE.succeeded(task_id, scene(**poses))


@pytest.mark.parametrize("task_id", [t for t in DONE if t not in ("close_drawer", "close_door")])
def test_an_untouched_scene_is_not_done(task_id):
    assert not SUITE.succeeded(task_id, scene())


def test_openings_do_not_depend_on_where_the_fixture_stands():
    turned = {"cabinet": pose(0.4, 0.2, 0.0, 0.5)}
    out = np.array([0.4, 0.2]) + geo.turned(np.array([-0.035 - 0.13, 0.0]), 0.5)
    assert SUITE.succeeded("open_drawer", scene(**turned, drawer_handle=pose(*out, 0.058, 0.5)))


def test_a_scene_without_the_object_is_refused_by_name():
    short = SceneState(0, ("tool0",), np.array([FAR]))
    with pytest.raises(UnknownName, match="unknown scene object 'button'"):
        SUITE.succeeded("press_button", short)


def test_judge_wants_five_states_in_a_row_and_counts_a_repeated_state_once():
    judge = Judge(SUITE, "press_button")
    pressed = DONE["press_button"]
    stamps = iter(range(1, 100))
    for _ in range(4):
        assert not judge.update(scene(next(stamps), **pressed))
    assert not judge.update(scene(next(stamps)))  # let go too early: counting starts again
    for _ in range(4):
        stamp = next(stamps)
        assert not judge.update(scene(stamp, **pressed))
        assert not judge.update(scene(stamp, **pressed))
    assert judge.update(scene(next(stamps), **pressed))
    assert judge.update(scene(next(stamps)))  # once done, done
    assert judge.outcome is Outcome.SUCCESS
