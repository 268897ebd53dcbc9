"""The kinematic suite: its experts, its physics of positions, and that a network can and must learn it."""

import math
import time

import numpy as np
import pytest

from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import UnknownName
from amf_ros.core.values import CheckpointInfo, Outcome
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.cloning import fine_tune, pretrain
from amf_ros.rollout.episodes import demonstrate, run_policy
from amf_ros.rollout.robot_environment import interface_of, make_environment
from amf_ros.session.pretraining import make_spec
from amf_ros.tasks.kinematic import KinematicAttributesSuite, KinematicSuite
from amf_ros.tasks.kinematic.world import GOALS, OBJECTS, STEP_M
from amf_ros.tasks.loading import load_suite

TASK_IDS = [task.id for task in KinematicSuite.tasks]


def world():
    return KinematicSuite().environment()


def show(simulator, task_id, seed):
    """The expert's episode: observations (T, 16)."""
    seen = [simulator.reset(task_id, seed)]
    while (action := simulator.expert()) is not None:
        seen.append(simulator.step(action))
        assert len(seen) < 50
    return np.array(seen)


@pytest.mark.parametrize("name", ["kinematic", "kinematic_attributes"])
def test_both_suites_are_registered_and_sound(name):
    suite = load_suite(name)
    assert suite.name == name
    assert [task.id for task in suite.tasks] == TASK_IDS
    assert len({suite.embedding(task_id).tobytes() for task_id in TASK_IDS}) == len(TASK_IDS) == 16


def test_one_hots_share_nothing_and_attributes_share_object_or_goal():
    one_hot, shared = KinematicSuite(), KinematicAttributesSuite()
    for suite, same_object, same_goal in ((one_hot, 0, 0), (shared, 1, 1)):
        e = suite.embedding
        assert e("red_left") @ e("red_back") == same_object
        assert e("red_left") @ e("blue_left") == same_goal
        assert e("red_left") @ e("blue_back") == 0


def test_an_unknown_task_is_named():
    with pytest.raises(UnknownName, match="purple_left"):
        KinematicSuite().embedding("purple_left")


@pytest.mark.parametrize("task_id", TASK_IDS)
def test_the_expert_succeeds_on_every_start_within_the_time_limit(task_id):
    environment = make_environment(KinematicSuite())
    for seed in range(20):
        demo = demonstrate(environment, task_id, seed, f"d{seed}")
        assert demo.outcome is Outcome.SUCCESS
        assert demo.num_steps < 45  # of 50


def test_equal_seeds_give_equal_episodes_and_others_give_others():
    first, again, other = (show(world(), "green_back", seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_starts_do_not_depend_on_what_the_simulator_did_before():
    used = world()
    show(used, "blue_up", 1)
    assert np.array_equal(used.reset("red_left", 7), world().reset("red_left", 7))


def test_the_tool_moves_by_a_bounded_step_and_stays_above_the_table():
    simulator = world()
    before = simulator.reset("red_left", 0)[1:4]
    after = simulator.step(np.array([1.0, -1.0, -1.0, -1.0]))[1:4]
    assert np.allclose(after - before, [STEP_M, -STEP_M, -STEP_M], atol=0.02)
    for _ in range(30):
        after = simulator.step(np.array([0.0, 0.0, -1.0, -1.0]))[1:4]
        assert after[2] >= 0


def test_suction_takes_only_what_is_near_and_another_cube_does_not_count():
    simulator = world()
    seen = simulator.reset("red_left", 0)
    assert min(math.hypot(*seen[4 + 3 * i : 7 + 3 * i]) for i in range(4)) > 0.04
    seen = simulator.step(np.array([0.0, 0.0, 0.0, 1.0]))
    assert seen[0] == 1 and np.allclose(seen[4:].reshape(4, 3)[:, 2] + seen[3], 0)  # all on the table

    start, steps = simulator.reset("blue_left", 0), []
    while (action := simulator.expert()) is not None:
        steps.append(action)
        simulator.step(action)
    assert np.array_equal(simulator.reset("red_left", 0), start)
    for action in steps:
        simulator.step(action)
        assert not simulator.succeeded  # blue is where red should be


def test_a_released_cube_falls_and_up_means_held():
    simulator = world()
    show(simulator, "yellow_up", 2)
    assert simulator.succeeded
    seen = simulator.step(np.array([0.0, 0.0, 0.0, -1.0]))
    assert not simulator.succeeded
    assert math.isclose(seen[4 + 9 + 2] + seen[3], 0.0, abs_tol=1e-12)


def test_tasks_are_objects_by_goals():
    assert [f"{thing}_{goal}" for thing in OBJECTS for goal in GOALS] == TASK_IDS


def test_a_step_costs_tens_of_microseconds():
    simulator = world()
    simulator.reset("red_left", 0)
    action = np.array([0.01, 0.0, 0.0, -1.0])
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(200):
            simulator.step(action)
        best = min(best, (time.perf_counter() - started) / 200)
    assert best < 100e-6


def test_a_network_does_its_tasks_fails_unseen_ones_and_learns_them_from_three_demonstrations_each():
    suite, training = KinematicSuite(), TrainingConfig(hidden=(128, 128), chunk=2)
    environment = make_environment(suite)
    seen = [task_id for task_id in TASK_IDS if task_id.startswith(("red", "green"))]
    demos = [demonstrate(environment, t, 100 + n, f"{t}_{n}") for t in seen for n in range(12)]
    spec = make_spec(interface_of(suite), suite, training.chunk)
    pretrained = pretrain(spec, demos, suite, training, seed=0)

    def rate(policy, task_ids, episodes=6):
        done = [
            run_policy(environment, policy, t, n, "r").outcome is Outcome.SUCCESS
            for t in task_ids
            for n in range(episodes)
        ]
        return np.mean(done)

    unseen = ["blue_left", "yellow_up"]
    assert rate(pretrained, seen) >= 0.85
    assert rate(pretrained, unseen) <= 0.1
    checkpoint = Checkpoint(CheckpointInfo("pretrained", "", "mlp", 0, 0), pretrained)
    few = [demonstrate(environment, t, 200 + n, f"{t}{n}") for t in unseen for n in range(3)]
    assert rate(fine_tune(checkpoint, few, suite, training, 400, seed=1), unseen, episodes=15) >= 0.3
