"""The pre-trained checkpoint: from a description to a directory, the same from one process or two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from amf_ros.contract import load_contract
from amf_ros.core.config import PretrainConfig, TrainingConfig, load_yaml
from amf_ros.core.errors import Cancelled, UnknownName
from amf_ros.core.paths import find_config
from amf_ros.learning.checkpoint_fit import check_fits
from amf_ros.learning.checkpoints import load
from amf_ros.learning.cloning import Progress
from amf_ros.session.pretraining import Demonstrated, pretrain_checkpoint
from amf_ros.tasks.tabletop import TabletopSuite

CONFIG = PretrainConfig(
    demonstrations={"press_button": 2, "close_drawer": 1},
    uncertainty=("features", "ensemble"),
    seed=3,
    training=TrainingConfig(hidden=(16, 16), pretrain_steps=60),
)


def test_checkpoint_is_whole_and_independent_of_the_number_of_processes(tmp_path: Path) -> None:
    seen: list[Progress | Demonstrated] = []
    one = load(pretrain_checkpoint(CONFIG, tmp_path / "one", seen.append, processes=1).uri)
    two = load(pretrain_checkpoint(CONFIG, tmp_path / "two", processes=2).uri)
    a, b = one.policy.tensors(), two.policy.tensors()
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
    assert one.coverage.keys() == two.coverage.keys() == set(CONFIG.uncertainty)
    for model, known in one.coverage.items():
        assert np.array_equal(known.moments, two.coverage[model].moments)
        for name, value in known.fitted.items():
            assert np.array_equal(value, two.coverage[model].fitted[name])
    # Three demonstrations of unit features, each with a task embedding of unit length.
    assert np.trace(one.coverage["features"].moments) == pytest.approx(6.0)
    assert one.coverage["ensemble"].fitted
    assert one.pretraining == CONFIG.demonstrations
    check_fits(one, load_contract(CONFIG.contract), TabletopSuite())
    collected = [report for report in seen if isinstance(report, Demonstrated)]
    assert [(c.task_id, c.done, c.total) for c in collected] == [
        ("press_button", 1, 3), ("press_button", 2, 3), ("close_drawer", 3, 3),
    ]  # fmt: skip
    assert isinstance(seen[-1], Progress) and seen[-1].step == 60


def test_stopping_writes_nothing(tmp_path: Path) -> None:
    seen: list[Progress | Demonstrated] = []
    with pytest.raises(Cancelled, match="nothing was written"):
        pretrain_checkpoint(CONFIG, tmp_path, seen.append, should_stop=lambda: len(seen) >= 2, processes=1)
    assert not list(tmp_path.iterdir())
    assert len(seen) == 2


def test_unknown_task_is_refused_before_anything_is_simulated(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"demonstrations": {"press_buton": 1}})
    with pytest.raises(UnknownName, match="did you mean 'press_button'"):
        pretrain_checkpoint(config, tmp_path, processes=1)


def test_shipped_file_is_mismatched_and_names_tasks_of_the_suite() -> None:
    config = load_yaml(find_config("experiments", "pretrain"), PretrainConfig)
    ids = {task.id for task in TabletopSuite().tasks}
    assert set(config.demonstrations) < ids
    skills = {task.attributes["skill"] for task in TabletopSuite().tasks}
    known = {TabletopSuite().task(task_id).attributes["skill"] for task_id in config.demonstrations}
    assert len(known) == len(skills) // 2


SCRIPT = """
import sys
from pathlib import Path
from amf_ros.core.config import PretrainConfig
from amf_ros.session.pretraining import pretrain_checkpoint

if __name__ == "__main__":
    config = PretrainConfig(demonstrations={"press_button": 500})
    pretrain_checkpoint(config, Path(sys.argv[1]), lambda _: print("one", flush=True), processes=2)
"""


def test_no_worker_outlives_a_pre_training_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(SCRIPT)
    child = subprocess.Popen([sys.executable, script, tmp_path / "out"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "one\n"
    family = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.communicate(timeout=30)
    # One that is still importing ends when it has done so: half a minute on a busy machine.
    assert len(family) >= 2 and psutil.wait_procs(family, timeout=60)[1] == []
