"""The kinematic benchmark: what its settings say, and one small session of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from _costs import by_minutes

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


def test_costs_make_every_second_goal_slow_and_leave_time_for_more(script):
    args = parse(script.parser(), ["--splits", "objects"])
    (plain,) = script.settings(args)
    slow = script.costly(plain)
    assert set(slow.pace) == {task.id for i, task in enumerate(KinematicSuite.tasks) if i % 2}
    assert set(slow.pace.values()) == {3.0} and slow.demonstrations == 32
    assert slow.pretraining == plain.pretraining


def test_runs_that_ignore_time_count_again_under_costs(script):
    args = parse(script.parser(), ["--splits", "objects"])
    (plain,) = script.settings(args)
    slow = script.costly(plain)
    cheap, dear = "red_left", next(iter(slow.pace))
    attempts = [[1, cheap, 60.0], [1, dear, 60.0], [2, dear, 60.0]]

    def row(setting, strategy):
        job = {"setting": {"name": setting}, "strategy": strategy, "seed": 0}
        made = {"attempts": attempts, "rounds": [0, 1, 2], "minutes": [0.0, 9.0, 10.0]}
        return {"job": job, "result": {**made, "success": [0.0, 0.5, 1.0]}}

    rows = [
        row("objects", "uniform"),
        row("objects", "amf"),
        row("costs", "amf_cost"),
        row("goals", "uniform"),
    ]
    curves = by_minutes(rows, "objects", slow, ["uniform"])
    assert set(curves) == {"uniform", "amf_cost"}
    # 1 + 3 minutes in the first round, 3 in the second: 7 in all, where the shorter run ends.
    assert curves["uniform"].x[-1] == 7.0
    assert curves["uniform"].y[0][-1] == 1.0
    assert curves["uniform"].y[0][np.searchsorted(curves["uniform"].x, 4.2)] == pytest.approx(0.5, abs=0.05)
