"""A contract of joints and a camera, and no scene: recorded, replayed, learned and run by real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.nodes import Bench, bench
from support.picture_policy import NAME, PicturePolicy
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.action import ExecutePolicy, RecordDemonstration
from amf_msgs.srv import FinishRecording, ResetScene
from amf_ros.contract import Contract, load_contract
from amf_ros.core.config import TrainingConfig
from amf_ros.core.errors import CheckpointError, ConfigError
from amf_ros.core.frames import Frame
from amf_ros.core.values import Demonstration, JointCommand, Outcome
from amf_ros.learning.batches import make_steps
from amf_ros.learning.checkpoint_fit import check_fits
from amf_ros.learning.checkpoints import Checkpoint, load, save
from amf_ros.learning.fine_tuning import tune
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.policy_executor import PolicyExecutorNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.policies.mlp import MlpPolicy
from amf_ros.rollout.episodes import run_policy
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.ros import names, qos
from amf_ros.ros.contract_streams import StreamInputs
from amf_ros.ros.conversions import time_msg, to_msg
from amf_ros.session.pretraining import make_spec
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

CONTRACT = str(Path(__file__).resolve().parents[1] / "support" / "sighted_panda.yaml")
TASK, SEED, STEPS, PICTURE = "push_green", 3, 12, "observation.images.front"
TRAINING = TrainingConfig(chunk=2, batch_size=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(CONTRACT)


class Device:
    """A person who looks at the robot as a policy would, and moves two joints a little with each state."""

    def __init__(self, on: Bench, contract: Contract) -> None:
        self._contract, self.seen, self.wanted = contract, dict[int, Frame](), STEPS
        self._publisher = on.client.create_publisher(JointTrajectory, "teleop/command", qos.STREAM)
        self.last_ns, self.start_ns = 0, 0
        self._inputs = StreamInputs(on.client, contract, self._on_state, exact=True)

    def _on_state(self, stamp_ns: int) -> None:
        if not self.start_ns or stamp_ns < self.start_ns:
            return
        moment = self._inputs.read()
        if stamp_ns not in self.seen and len(self.seen) < self.wanted:
            self.seen[stamp_ns] = self._contract.observe(moment.inputs, {}).values
            self.last_ns = stamp_ns
        if stamp_ns == self.last_ns:
            target = moment.joints.positions(self._contract.command_joints)
            target[:2] += (0.02, -0.01)
            command = JointCommand(stamp_ns, self._contract.command_joints, target)
            plan = command.reached_after(self._contract.period_ns)
            self._publisher.publish(to_msg(self._contract.command.type, plan))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def recorded(run: RunDirectory, contract: Contract) -> tuple[Device, Demonstration]:
    """What was seen live, and what the recording gives."""
    with nodes(run, DemoRecorderNode) as made:
        device = Device(made, contract)
        stamp = made.call(ResetScene, names.RESET_SCENE, ResetScene.Request(task_id=TASK, seed=SEED)).stamp
        goal = RecordDemonstration.Goal(task_id=TASK, demonstration_id="one", seed=SEED, source=2)
        goal.start_stamp = stamp
        sent = made.send(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
        device.start_ns = stamp.sec * 10**9 + stamp.nanosec
        made.until(lambda: len(device.seen) == STEPS, "the demonstration")
        end = FinishRecording.Request(outcome=int(Outcome.SUCCESS), end_stamp=time_msg(device.last_ns))
        made.call(FinishRecording, names.FINISH_RECORDING, end)
        result = sent.result()
        assert result.error_code == 0, result.error_msg
    return device, DemonstrationStore(run.demonstrations).load("one", contract, TabletopSuite())


def nodes(run: RunDirectory, *more: type) -> Iterator[Bench]:
    """A robot with a camera in lock-step, and more nodes beside it."""
    from contextlib import contextmanager

    @contextmanager
    def made() -> Iterator[Bench]:
        fields = {
            "session_directory": str(run.root),
            "contract": CONTRACT,
            "real_time_factor": 0.0,
            "camera_hz": 20.0,
            "allowed_policies": [NAME],
        }
        with bench(**fields) as on:
            for make in (RobotNode, *more):
                on.add(make)
            yield on

    return made()


def test_what_was_recorded_is_what_was_seen_live_bit_for_bit(
    recorded: tuple[Device, Demonstration], contract: Contract
) -> None:
    device, demonstration = recorded
    assert demonstration.stamps_ns.tolist() == sorted(device.seen)
    assert demonstration.observations.names == ("observation.state", PICTURE)
    pictures = demonstration.observations[PICTURE]
    assert pictures.dtype == np.uint8 and pictures.shape == (STEPS, 24, 32, 3) and np.ptp(pictures) > 50
    for row, stamp_ns in enumerate(sorted(device.seen)):
        for name, values in device.seen[stamp_ns].items():
            assert demonstration.observations[name][row].tobytes() == values.tobytes()
    assert contract.scene_topic is None


@pytest.fixture(scope="module")
def tuned(run: RunDirectory, contract: Contract, recorded: tuple[Device, Demonstration]) -> Checkpoint:
    """Fine-tuned on the recording, from weights that know nothing; saved where the executor looks."""
    suite, (_, demonstration) = TabletopSuite(), recorded
    steps = make_steps([demonstration], suite.embedding, TRAINING.chunk)
    blank = PicturePolicy.create(make_spec(contract, suite, TRAINING.chunk), steps, TRAINING, seed=0)
    info = save(run.checkpoints, "pretrained", blank, round=0, num_demonstrations=0)
    initial = load(info.uri, [NAME])
    losses: list[float] = []
    made = tune(
        initial,
        [demonstration],
        suite,
        TRAINING,
        run.checkpoints,
        round=1,
        seed=1,
        num_steps=150,
        progress=lambda now: losses.append(now.loss),
    )
    assert losses[-1] < 0.6 * losses[0]
    return made.checkpoint


def test_the_executor_runs_a_policy_that_looks_at_pictures(
    run: RunDirectory, contract: Contract, tuned: Checkpoint
) -> None:
    """And does what the same policy does in one process, without knowing whether the task was done."""
    suite = TabletopSuite()
    with nodes(run, PolicyExecutorNode) as made:
        goal = ExecutePolicy.Goal(task_id=TASK, rollout_id="seen", checkpoint_uri=tuned.info.uri)
        request = ResetScene.Request(task_id=TASK, seed=SEED)
        goal.start_stamp = made.call(ResetScene, names.RESET_SCENE, request).stamp
        goal.max_duration.sec = 1
        result = made.act(ExecutePolicy, names.EXECUTE_POLICY, goal)
    assert result.error_code == 0, result.error_msg
    assert result.outcome == Outcome.UNLABELED and result.num_steps == 20
    (kept,) = RolloutStore(run.rollouts).all()
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        environment = RobotEnvironment(robot, suite, contract)
        alone = run_policy(environment, load(tuned.info.uri, [NAME]).policy, TASK, SEED, "alone")
    for name, values in kept.observations.items():
        assert values.tobytes() == alone.observations[:20][name].tobytes()


def test_a_policy_that_takes_vectors_refuses_the_contract_by_name(
    contract: Contract, recorded: tuple[Device, Demonstration], tuned: Checkpoint
) -> None:
    suite = TabletopSuite()
    steps = make_steps([recorded[1]], suite.embedding, 2)
    with pytest.raises(ConfigError, match=f"policy 'mlp' takes vectors only, and {PICTURE} is a picture"):
        MlpPolicy.create(make_spec(contract, suite, 2), steps, TRAINING, seed=0)
    with pytest.raises(CheckpointError, match="other observations: it needs .*"):
        check_fits(tuned, load_contract("panda_tabletop"), suite)
