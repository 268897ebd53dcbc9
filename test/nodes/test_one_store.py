"""A session in one process and the graph keep their demonstrations in one folder: each sees the other's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.nodes import Bench, bench

from amf_msgs.action import FineTune, RecordDemonstration
from amf_msgs.srv import ResetScene
from amf_ros.contract import Contract, load_contract
from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import DataError
from amf_ros.core.paths import find_config
from amf_ros.core.values import Demonstration
from amf_ros.nodes.demo_recorder import DemoRecorderNode
from amf_ros.nodes.fine_tuner import FineTunerNode
from amf_ros.nodes.robot import RobotNode
from amf_ros.nodes.teleop import TeleopNode
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import RobotEnvironment
from amf_ros.ros import names
from amf_ros.ros.selecting.selector import Question, Selector
from amf_ros.session.stores import file_stores
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.doctor import examine
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.tabletop import TabletopSuite

TASK, SEED = "push_green", 2


@pytest.fixture(scope="module")
def suite() -> TabletopSuite:
    return TabletopSuite()


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract("panda_tabletop")


@pytest.fixture(scope="module")
def alone(suite: TabletopSuite, contract: Contract) -> Demonstration:
    """One demonstration in this process."""
    with closing(PyBulletArm(TabletopScene(), contract.fps)) as robot:
        return demonstrate(RobotEnvironment(robot, suite, contract), TASK, SEED, "alone")


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, alone: Demonstration, contract: Contract, pretrained: Path
) -> Path:
    """A session directory in which the graph recorded one, and one process another."""
    run = RunDirectory(tmp_path_factory.mktemp("both"))
    shutil.copytree(pretrained, run.checkpoints / "pretrained")
    with bench(session_directory=str(run.root), real_time_factor=0.0) as made:
        for make in (RobotNode, TeleopNode, DemoRecorderNode):
            made.add(make)
        goal = RecordDemonstration.Goal(task_id=TASK, demonstration_id="graph", seed=SEED, source=1)
        goal.start_stamp = made.call(
            ResetScene, names.RESET_SCENE, ResetScene.Request(task_id=TASK, seed=SEED)
        ).stamp
        result = made.act(RecordDemonstration, names.RECORD_DEMONSTRATION, goal)
        assert result.error_code == 0, result.error_msg
    DemonstrationStore(run.demonstrations).save(alone, contract)
    return run.root


@pytest.fixture
def run(both: Path, tmp_path: Path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(both, tmp_path / "run")))


@pytest.fixture
def tuner(run: RunDirectory) -> Iterator[Bench]:
    with bench(session_directory=str(run.root)) as made:
        made.add(FineTunerNode)
        yield made


def test_the_fine_tuner_learns_from_both(tuner: Bench) -> None:
    result = tuner.act(FineTune, names.FINE_TUNE, FineTune.Goal(num_steps=20))
    assert (result.error_code, result.checkpoint.num_demonstrations) == (0, 2)


def test_the_selector_counts_both(run: RunDirectory, suite: TabletopSuite, contract: Contract) -> None:
    selector = Selector(suite, contract, run, SelectionConfig(strategy="least_demonstrated"))
    tasks = {task.id: task for task in selector.ask(Question()).problem.tasks}
    assert tasks[TASK].num_demonstrations == 2
    assert len(DemonstrationStore(run.demonstrations).attempts()[TASK]) == 2


def test_a_session_in_one_process_sees_both_in_the_order_of_recording(
    run: RunDirectory, suite: TabletopSuite, contract: Contract
) -> None:
    store = file_stores(run, contract, suite).demonstrations
    recorded, own = store.all_usable(contract, suite)
    assert (recorded.id, own.id) == ("graph", "alone")
    np.testing.assert_array_equal(recorded.observations.flat(), own.observations.flat())
    np.testing.assert_array_equal(recorded.actions, own.actions)
    found = store.find("graph")
    assert found is not None and found.num_steps == own.num_steps


def test_both_are_examined_thrown_away_and_brought_back(
    run: RunDirectory, suite: TabletopSuite, contract: Contract
) -> None:
    store = DemonstrationStore(run.demonstrations)
    assert store.ids() == ["alone", "graph"] and examine(store, suite, contract) == []
    with pytest.raises(DataError, match="exists already"):
        store.stage("alone", suite.task(TASK), contract)
    store.trash("alone")
    assert store.ids() == ["graph"] and store.attempts()[TASK][-1][1] is False
    assert store.restore("alone").task_id == TASK
    assert [demo.id for demo in store.all_usable(contract, suite)] == ["graph", "alone"]
    (run.demonstrations / "alone.safetensors").write_bytes(b"broken")
    (finding,) = examine(DemonstrationStore(run.demonstrations), suite, contract)
    assert finding.severity == "error" and finding.path.name == "alone.safetensors"


def test_arrays_of_another_contract_are_refused_by_name(
    run: RunDirectory, suite: TabletopSuite, contract: Contract, tmp_path: Path
) -> None:
    path = tmp_path / "slow.yaml"
    shown = find_config("contracts", "panda_tabletop").read_text()
    path.write_text(shown.replace("fps: 20", "fps: 10"))
    other = load_contract(str(path))
    assert other.hash != contract.hash
    with pytest.raises(DataError, match="'alone' does not fit.*panda_tabletop"):
        DemonstrationStore(run.demonstrations).all_usable(other, suite)
