"""The table of tasks, their embeddings, and where they start."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import flat

from amf_ros.arm.loading import make_arm
from amf_ros.arm.protocol import RobotContext
from amf_ros.contract import load_contract
from amf_ros.core.errors import UnknownName
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.experts.laws import LAWS
from amf_ros.sim.tabletop.scene import NAMES
from amf_ros.sim.tabletop.starts import PARKED, STARTS
from amf_ros.tasks.base import Suite
from amf_ros.tasks.tabletop import TabletopSuite
from amf_ros.tasks.tabletop.success import PREDICATES

SUITE = TabletopSuite()
STAGING = TabletopStaging(SUITE)
IDS = [task.id for task in SUITE.tasks]


def test_suite_implements_the_protocol_and_every_table_knows_every_task():
    assert isinstance(SUITE, Suite)
    assert len(IDS) == len(set(IDS)) >= 12
    assert set(IDS) == set(STARTS) == set(LAWS) == set(PREDICATES)


@pytest.mark.parametrize("task_id", IDS)
def test_roles_resolve_to_scene_objects(task_id):
    task = SUITE.task(task_id)
    fixtures = {
        "open_drawer": "cabinet",
        "close_drawer": "cabinet",
        "store_red_in_drawer": "cabinet",
        "open_door": "door_frame",
        "close_door": "door_frame",
        "press_button": "button_base",
        "turn_faucet": "faucet_base",
        "insert_peg": "slot",
    }
    assert task.roles.get("fixture") == fixtures.get(task_id)
    assert task.roles.get("aux") == ("cube_green" if task_id == "tower_of_three" else None)
    assert {"object", "target"} <= set(task.roles) <= {"object", "target", "fixture", "aux"}
    assert set(task.roles.values()) <= set(NAMES)


def test_the_policy_of_a_task_without_a_third_thing_sees_none_wherever_one_lies():
    contract = load_contract("panda_tabletop")
    aux = [name.startswith("role.aux") for name in contract.layout.elements]
    context = RobotContext(SUITE, contract.fps)
    with closing(make_arm("pybullet", context)) as arm:
        arm.connect()
        arm.reset("tower_of_three", 0)
        joints, scene = arm.read(), arm.scene_state()
    cube = scene.names.index("cube_green")
    elsewhere = scene.poses.copy()
    elsewhere[cube, :3] += 0.1

    def see(task_id, poses):
        seen = {"joint_states": joints, "scene_state": replace(scene, poses=poses)}
        return flat(contract.observe(seen, SUITE.task(task_id).roles))

    np.testing.assert_array_equal(see("stack_red_on_blue", scene.poses), see("stack_red_on_blue", elsewhere))
    assert not see("stack_red_on_blue", scene.poses)[aux].any()
    tower, moved = see("tower_of_three", scene.poses)[aux], see("tower_of_three", elsewhere)[aux]
    assert tower[0] == moved[0] == 1.0 and tower.all() and not np.array_equal(tower, moved)


def test_unknown_task_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'stack_red_on_blue'"):
        SUITE.task("stak_red_on_blue")
    with pytest.raises(UnknownName, match="unknown task 'fly'"):
        STAGING.expert("fly", seed=0)


def test_embeddings_tell_tasks_apart_and_overlap_where_tasks_share_structure():
    table = np.array([SUITE.embedding(task_id) for task_id in IDS])
    assert table.shape == (len(IDS), len(SUITE.embedding_names))
    assert len(np.unique(table, axis=0)) == len(IDS)
    overlap = dict(zip(IDS, table @ SUITE.embedding("place_red_left"), strict=True))
    assert overlap["place_red_left"] == 4  # skill, object, target, itself
    assert overlap["place_red_right"] == overlap["place_blue_left"] == 2
    assert overlap["press_button"] == 0


@settings(deadline=None, max_examples=25)
@given(task_id=st.sampled_from(IDS), seed=st.integers(0, 2**31 - 1))
def test_starts_lie_within_reach_apart_from_each_other_and_depend_on_the_seed_alone(task_id, seed):
    start = STARTS[task_id](np.random.default_rng(seed))
    assert start == STARTS[task_id](np.random.default_rng(seed))
    assert set(start.poses) == set(PARKED)
    spots = np.array([start.poses[name][:2] for name in sorted(start.needed)])
    assert np.linalg.norm(spots, axis=1).max() < 0.74
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 9 * np.eye(len(spots))
    assert apart.min() > 0.06


@pytest.mark.parametrize("task_id", IDS)
def test_starts_differ_between_seeds(task_id):
    drawn = {repr(STARTS[task_id](np.random.default_rng(seed))) for seed in range(20)}
    assert len(drawn) == 20
