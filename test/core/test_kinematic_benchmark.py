"""The kinematic benchmark: what its settings say, and one small session of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from amf_ros.sweep.script import parse
from amf_ros.sweep.sessions import session, sessions_of
from amf_ros.tasks.kinematic import KinematicSuite

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kinematic.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("benchmark_kinematic", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings_share_the_number_of_demonstrations_and_know_the_suite(script):
    for name, counts in script.known_tasks().items():
        assert set(counts) == {task.id for task in KinematicSuite.tasks}, name
        assert sum(counts.values()) == 96, name


def test_mismatched_settings_leave_tasks_out_and_the_matched_one_none(script):
    unseen = {name: sum(not n for n in counts.values()) for name, counts in script.known_tasks().items()}
    assert unseen == {"objects": 8, "goals": 8, "skewed": 4, "matched": 0}


def test_every_object_and_every_goal_is_skewed_alike(script):
    counts = np.array(list(script.known_tasks()["skewed"].values())).reshape(4, 4)
    for rows in (counts, counts.T):
        assert all(sorted(row) == [0, 2, 6, 16] for row in rows.tolist())


@pytest.mark.parametrize("words", [[], ["--attributes"]])
def test_a_quick_session_runs_from_pretraining_to_its_measures(script, words):
    args = parse(script.parser(), ["--quick", "--splits", "goals", *words])
    script.shrink(args)
    (setting,) = script.settings(args)
    (job,) = sessions_of([setting], ["amf"], [0])
    result = session(job)
    assert result["demonstrations"] == [0, 2, 4]
    assert len(result["chosen"]) == 4 and len(result["success"]) == 3
