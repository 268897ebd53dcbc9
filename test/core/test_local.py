"""The in-process session on a small suite of its own: a point that is taught to go to places."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support.frames import vectors

from amf_ros.arm.protocol import JointLimit
from amf_ros.contract import ObservationLayout, SuiteInterface, load_contract
from amf_ros.core.config import SelectionConfig, TrainingConfig
from amf_ros.core.errors import Cancelled, CheckpointError, CheckpointExists, DataError, UnknownName
from amf_ros.core.values import Demonstration, JointCommand, JointState, Outcome, Rollout, SceneState, Task
from amf_ros.knowledge.cover import cover
from amf_ros.learning.checkpoints import load, save
from amf_ros.learning.cloning import pretrain
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.session.journal import Journal
from amf_ros.session.local import LocalWorker
from amf_ros.session.loop import run
from amf_ros.session.plan import Plan, resolve
from amf_ros.session.pretraining import make_spec
from amf_ros.session.stores import file_stores
from amf_ros.session.summary import summary
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory

PLACES = {"north": (0.0, 1.0), "east": (1.0, 0.0), "south": (0.0, -1.0), "west": (-1.0, 0.0)}
HZ = 10.0
CONTRACT = """
schema: amf_contract/1
robot_type: point
fps: 10
topics:
  joint_states: {type: sensor_msgs/msg/JointState}
observations:
  observation.state: [{feature: joint_position, joints: [x, y]}]
action:
  record_from: {topic: teleop/command, type: trajectory_msgs/msg/JointTrajectory}
  publish_to: {topic: command, type: trajectory_msgs/msg/JointTrajectory}
  elements: [{mode: relative_to_measured, joints: [x, y]}]
"""


class PointRobot:
    """Two joints that go where they are told; every object of the scene is where the point is."""

    control_hz = HZ
    simulated = True
    joint_names = ("x", "y")
    limits: Mapping[str, JointLimit] = {name: JointLimit(-3.0, 3.0, 2.0, 1.0) for name in ("x", "y")}

    def __init__(self):
        self._position, self._told, self._stamp_ns = np.zeros(2), np.zeros(2), 0

    def reset(self, task_id, seed):
        self._position = np.random.default_rng(seed).uniform(-0.3, 0.3, size=2)
        self._stamp_ns += 10**9

    def connect(self):
        pass

    def read(self):
        return JointState(self._stamp_ns, self.joint_names, self._position.copy(), np.zeros(2))

    def scene_state(self):
        pose = np.array([[*self._position, 0, 0, 0, 0, 1.0]])
        return SceneState(self._stamp_ns, ("tool0",), pose)

    def write(self, command, ahead=()):
        self._told = np.array(command.position)

    def step(self):
        self._position = self._told
        self._stamp_ns += round(1e9 / HZ)

    def hold(self):
        pass

    def close(self):
        pass


class Walk:
    """Goes straight to a place and stays for a while."""

    def __init__(self, place):
        self._place, self._left = np.array(place), 20

    def command(self, joints, scene):
        self._left -= 1
        step = np.clip(self._place - joints.position, -0.15, 0.15)
        return (
            JointCommand(joints.stamp_ns, joints.names, joints.position + step) if self._left >= 0 else None
        )


class PlacesSuite:
    name = "places"
    tasks = tuple(Task(place, f"go {place}", {"object": "tool0"}, time_limit_s=3.0) for place in PLACES)
    embedding_names = tuple(PLACES)

    def task(self, task_id):
        if task_id not in PLACES:
            raise UnknownName("task", task_id, PLACES)
        return next(task for task in self.tasks if task.id == task_id)

    def embedding(self, task_id):
        return np.array([float(name == task_id) for name in PLACES])

    def succeeded(self, task_id, scene):
        return bool(np.linalg.norm(scene.pose("tool0")[:2] - PLACES[task_id]) < 0.25)

    def scene(self):
        """The suite stages its own tasks; its robot makes the scene."""

    def expert(self, task_id, seed):
        return Walk(PLACES[task_id])


TRAINING = TrainingConfig(
    hidden=(64, 64), chunk=1, batch_size=64, pretrain_steps=500, num_steps=600, learning_rate=3e-3
)
SELECTION = SelectionConfig(states_per_trajectory=5)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    path = tmp_path_factory.mktemp("contract") / "point.yaml"
    path.write_text(CONTRACT)
    suite = PlacesSuite()
    return RobotEnvironment(PointRobot(), suite, load_contract(str(path)), staging=suite)


@pytest.fixture(scope="module")
def pretrained(environment, tmp_path_factory) -> Path:
    """A policy that was shown to go north and east."""
    shown = {"north": 2, "east": 2}
    demos = [
        demonstrate(environment, key, n, f"{key}{n}") for key, count in shown.items() for n in range(count)
    ]
    assert all(demo.outcome is Outcome.SUCCESS for demo in demos)
    suite = environment.suite
    policy = pretrain(make_spec(environment.contract, suite, 1), demos, suite, TRAINING, seed=0)
    root = tmp_path_factory.mktemp("pretrained")
    seen = cover(policy, demos, suite)
    save(root, "pretrained", policy, round=0, num_demonstrations=0, coverage=seen, pretraining=shown)
    return root / "pretrained"


def make_plan(**changes):
    defaults = {"num_rounds": 2, "demonstrations_per_round": 2, "evaluation_episodes": 1, "final_episodes": 3}
    return resolve(Plan(**{"suite": "places", **defaults, **changes}), list(PLACES))


def play(plan, environment, pretrained, out, should_stop=lambda: False, report=lambda state: None):
    directory = RunDirectory(out)
    stores = file_stores(directory, environment.interface, environment.suite)
    worker = LocalWorker(plan, environment, pretrained, stores, SELECTION, TRAINING, should_stop)
    with Journal(directory.database) as journal:
        result = run(plan, worker, journal, report, should_stop)
        told = summary(journal)
    del told["seconds"]
    for entry in told["history"]:
        entry["checkpoint"] = load(directory.checkpoints / entry["checkpoint"]).policy.tensors()
    return result, told


def same(left, right):
    """Equal summaries; tensors bit for bit."""

    def plain(value):
        return value.tolist() if isinstance(value, np.ndarray) else dict(value)

    return json.dumps(left, default=plain) == json.dumps(right, default=plain)


def test_amf_asks_for_the_unseen_tasks_and_the_policy_learns_them(environment, pretrained, tmp_path):
    result, told = play(make_plan(num_rounds=3, strategy="amf"), environment, pretrained, tmp_path)
    # The second of a batch follows from the first, and the toy's unseen tasks look alike to its features.
    assert result.demonstrations[0] in {"south", "west"}
    assert {"south", "west"} <= set(result.demonstrations)
    before, after = told["success_before"], told["success_after"]
    assert before["tasks"]["south"]["successes"] == before["tasks"]["west"]["successes"] == 0
    assert after["successes"] > before["successes"] and after["episodes"] == before["episodes"] == 12
    assert after["tasks"]["south"]["successes"] + after["tasks"]["west"]["successes"] >= 3
    reason = told["history"][1]["reason"]
    assert reason.startswith(
        f"{result.demonstrations[0]}: 0 demonstrations, 0/3 successes; expected to teach"
    )


@pytest.mark.parametrize("strategy", ["uniform", "round_robin", "rebalancing"])
def test_baselines_run_the_same_loop(environment, pretrained, tmp_path, strategy):
    result, told = play(make_plan(strategy=strategy, seed=1), environment, pretrained, tmp_path)
    assert len(result.demonstrations) == 4 and told["rounds"] == 2
    if strategy == "rebalancing":
        assert set(result.demonstrations) == {"south", "west"}


def test_equal_seeds_give_equal_sessions_bit_for_bit(environment, pretrained, tmp_path):
    first = play(make_plan(seed=4), environment, pretrained, tmp_path / "first")
    again = play(make_plan(seed=4), environment, pretrained, tmp_path / "again")
    assert same(first[1], again[1])
    other = play(make_plan(seed=5), environment, pretrained, tmp_path / "other")
    assert not same(first[1], other[1])


@pytest.mark.parametrize("wanted", ["step 50/600", "success after", "episode 2 of 3"])
def test_a_session_stopped_anywhere_ends_as_one_that_was_not(environment, pretrained, tmp_path, wanted):
    whole = play(make_plan(), environment, pretrained, tmp_path / "whole")
    seen = []
    with pytest.raises(Cancelled):
        play(
            make_plan(),
            environment,
            pretrained,
            tmp_path / "stopped",
            lambda: any(wanted in detail for detail in seen),
            lambda state: seen.append(state.detail),
        )
    assert wanted in seen[-1]
    assert same(play(make_plan(), environment, pretrained, tmp_path / "stopped")[1], whole[1])


def test_a_session_from_a_tuned_policy_goes_on_counting(environment, pretrained, tmp_path):
    """``amf tune`` made round_0001; a session that starts from it must not write over it."""
    directory, tuned = RunDirectory(tmp_path), load(pretrained)
    start = save(directory.checkpoints, "round_0001", tuned.policy, round=1, num_demonstrations=2)
    before = load(start.uri).fingerprint
    result, told = play(make_plan(num_rounds=1), environment, start.uri, tmp_path)
    assert result.checkpoint.id == "round_0002" and told["rounds"] == 1
    assert load(start.uri).fingerprint == before
    other = save(tmp_path / "other", "pretrained", tuned.policy, round=0, num_demonstrations=0)
    with pytest.raises(CheckpointExists, match="holds round_0002 already"):
        play(make_plan(seed=9), environment, other.uri, copied(tmp_path))


def test_roll_outs_of_other_weights_under_the_same_id_do_not_count(environment, pretrained, tmp_path):
    directory, told = RunDirectory(tmp_path), load(pretrained)
    stale = Rollout(
        "old", "south", vectors(np.zeros((3, 2))), Outcome.SUCCESS, "pretrained", 3, "", "other weights"
    )
    RolloutStore(directory.rollouts).save(stale)
    stores = file_stores(directory, environment.interface, environment.suite)
    stores.checkpoints.add(told)
    (kept,) = stores.rollouts.all()
    assert kept.fingerprint == "other weights"
    assert stores.kept(environment.interface, environment.suite).rollouts == []


def copied(root: Path) -> Path:
    """A session directory without its journal."""
    target = root.with_name(f"{root.name}-again")
    shutil.copytree(root / "checkpoints", target / "checkpoints")
    return target


def test_a_checkpoint_for_another_suite_is_refused(environment, pretrained, tmp_path):
    class OtherSuite(PlacesSuite):
        embedding_names = ("up", *tuple(PLACES)[1:])

    other = RobotEnvironment(PointRobot(), OtherSuite(), environment.contract, staging=OtherSuite())
    with pytest.raises(CheckpointError, match="up"):
        play(make_plan(), other, pretrained, tmp_path)


def test_stored_demonstrations_come_back_bit_for_bit_and_failures_are_left_out(tmp_path):
    rng = np.random.default_rng(0)
    store = DemonstrationStore(tmp_path)
    interface = SuiteInterface("places", ObservationLayout.of_vector("abc"), ("x", "y"), HZ)
    made = {}
    for number, outcome in enumerate((Outcome.SUCCESS, Outcome.FAILURE, Outcome.UNLABELED)):
        arrays = vectors(rng.normal(size=(7, 3))), rng.normal(size=(7, 2)), np.arange(7) * 50_000_000
        made[outcome] = Demonstration(f"r{number}", "north", *arrays, outcome=outcome, seed=2**31 - 1)
        store.save(made[outcome], interface)
    fresh = DemonstrationStore(tmp_path)
    assert [demo.id for demo in fresh.all_usable(interface)] == ["r0", "r2"]
    for demo in fresh.all_usable(interface):
        expected = made[demo.outcome]
        np.testing.assert_array_equal(demo.observations.flat(), expected.observations.flat())
        np.testing.assert_array_equal(demo.actions, expected.actions)
        np.testing.assert_array_equal(demo.stamps_ns, expected.stamps_ns)
        assert (demo.seed, demo.source, demo.task_id) == (expected.seed, expected.source, "north")
    assert fresh.find("r9") is None
    (tmp_path / "r1.safetensors").write_bytes(b"broken")
    with pytest.raises(DataError, match="r1.safetensors"):
        DemonstrationStore(tmp_path).all_usable(interface)
