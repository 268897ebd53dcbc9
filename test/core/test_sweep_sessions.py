"""Sessions as jobs: shared starts, the same answer from any process, time as it is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amf_ros.core.config import PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.core.errors import ConfigError, UnknownName
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.sweep.pace import PacedEnvironment
from amf_ros.sweep.sessions import Setting, minutes, of_setting, run_sessions, session, sessions_of
from amf_ros.sweep.statistics import collect
from amf_ros.tasks.loading import load_suite

SUITE = "support.line_suite:LineSuite"
SETTING = Setting(
    name="line",
    pretraining=PretrainConfig(
        suite=SUITE,
        demonstrations={"near_left": 2, "near_right": 2},
        training=TrainingConfig(hidden=(16,), pretrain_steps=60, num_steps=40),
    ),
    demonstrations=4,
    batch=2,
    episodes=1,
    final_episodes=2,
)
QUIET: Any = {"workers": 1, "progress": False}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    out = tmp_path_factory.mktemp("sweep")
    rows, jobs = run_sessions("line", [SETTING], ["uniform", "round_robin"], range(2), out, QUIET)
    assert len(rows) == len(jobs) == 4
    return out, rows


def test_every_strategy_of_a_seed_starts_from_the_same_policy_and_starts(
    swept: tuple[Path, list[dict[str, Any]]],
) -> None:
    out, rows = swept
    assert len(list((out / "starts").iterdir())) == 2
    by_seed = {seed: [r["result"] for r in rows if r["job"]["seed"] == seed] for seed in (0, 1)}
    for first, second in by_seed.values():
        assert first["success"][0] == second["success"][0]
        assert {k: v[0] for k, v in first["tasks"].items()} == {k: v[0] for k, v in second["tasks"].items()}
        assert first["chosen"] != second["chosen"]


def test_kept_starts_change_nothing(swept: tuple[Path, list[dict[str, Any]]]) -> None:
    _, rows = swept
    (job,) = sessions_of([SETTING], ["uniform"], [1])
    (kept,) = [r for r in rows if r["job"]["seed"] == 1 and r["job"]["strategy"] == "uniform"]
    alone = json.loads(json.dumps(session(job)))
    timed = ("selection_s", "seconds")
    assert {k: v for k, v in alone.items() if k not in timed} == {
        k: v for k, v in kept["result"].items() if k not in timed
    }


def test_a_result_tells_what_happened_round_by_round(swept: tuple[Path, list[dict[str, Any]]]) -> None:
    result = swept[1][0]["result"]
    assert result["demonstrations"] == [0, 2, 4] and result["rounds"] == [0, 1, 2]
    assert len(result["chosen"]) == len(result["attempts"]) == 4
    assert result["success"][-1] == pytest.approx(np.mean([rates[-1] for rates in result["tasks"].values()]))
    seen, unseen = result["seen"][-1], result["unseen"][-1]
    assert result["success"][-1] == pytest.approx((2 * seen + 4 * unseen) / 6)
    spent = sum(10.0 + seconds for _, _, seconds in result["attempts"]) / 60
    assert result["minutes"][0] == 0.0 and result["minutes"][-1] == pytest.approx(spent)


def test_a_second_sweep_takes_what_is_there(
    swept: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rows = swept

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("amf_ros.sweep.sessions.run_in_memory", never)
    monkeypatch.setattr("amf_ros.sweep.sessions.pretrain_in_memory", never)
    again, _ = run_sessions("line", [SETTING], ["uniform", "round_robin"], range(2), out, QUIET)
    assert [row["result"] for row in again] == [row["result"] for row in rows]
    assert all(row["before"] for row in again)
    assert sorted(collect(of_setting(again, "line"))) == ["round_robin", "uniform"]


def test_a_slow_task_takes_longer_and_is_otherwise_the_same() -> None:
    suite = load_suite(SUITE)
    plain, slow = make_environment(suite), PacedEnvironment(make_environment(suite), {"right": 3.0})
    for task_id, factor in (("left", 1.0), ("right", 3.0)):
        a, b = demonstrate(plain, task_id, 5, "a"), demonstrate(slow, task_id, 5, "b")
        assert np.array_equal(a.observations.flat(), b.observations.flat()) and np.array_equal(
            a.actions, b.actions
        )
        assert a.duration_s > 0 and b.duration_s == pytest.approx(factor * a.duration_s)


def test_a_slow_session_is_the_fast_one_rescored(swept: tuple[Path, list[dict[str, Any]]]) -> None:
    pace = {"left": 3.0, "far_right": 2.0}
    change = {"pace": pace, "selection": SelectionConfig(reset_s=0.0)}
    (job,) = sessions_of([SETTING.model_copy(update=change)], ["round_robin"], [0])
    slow = session(job)
    (fast,) = [
        r["result"] for r in swept[1] if r["job"]["seed"] == 0 and r["job"]["strategy"] == "round_robin"
    ]
    assert slow["chosen"] == fast["chosen"] and "far_left" in slow["chosen"]
    assert slow["minutes"] == pytest.approx(minutes(fast["attempts"], fast["rounds"], 0.0, pace))
    assert slow["minutes"][-1] > minutes(fast["attempts"], fast["rounds"], 0.0)[-1]


@pytest.mark.parametrize(
    ("pace", "kind", "said"),
    [({"rihgt": 2.0}, UnknownName, "did you mean 'right'"), ({"right": 0.0}, ConfigError, "above 0")],
)
def test_a_pace_that_cannot_be_is_refused(pace: dict[str, float], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        PacedEnvironment(make_environment(load_suite(SUITE)), pace)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"demonstrations": 5, "batch": 2}, "multiple of batch"), ({"episodes": 0}, "both 0; give one")],
)
def test_a_setting_that_cannot_be_is_refused(change: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Setting(name="x", pretraining=SETTING.pretraining, **change)


def test_an_unknown_strategy_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'uniform'"):
        run_sessions("line", [SETTING], ["unifrom"], [0], tmp_path, QUIET)
    assert not list(tmp_path.iterdir())


def test_an_expert_that_fails_now_and_then_ends_no_session(tmp_path: Path) -> None:
    """At 60% three attempts a demonstration ended more than half of all sessions of this length."""
    clumsy = SETTING.pretraining.model_copy(update={"suite": "support.line_suite:ClumsyLineSuite"})
    setting = SETTING.model_copy(update={"pretraining": clumsy, "demonstrations": 12, "batch": 6})
    rows, jobs = run_sessions("clumsy", [setting], ["round_robin", "uniform"], range(4), tmp_path, QUIET)
    assert len(rows) == len(jobs) == 8
    assert all(row["result"]["demonstrations"] == [0, 6, 12] for row in rows)
    assert all(len(row["result"]["chosen"]) + len(row["result"]["missed"]) == 12 for row in rows)
    failed = sum(row["result"]["failed"] for row in rows)
    assert 30 < failed < 110  # of 8 x 12 / 0.6 attempts, 64 expected
    for row in rows:
        result = row["result"]
        assert len(result["attempts"]) == len(result["chosen"]) + result["failed"]
        spent = sum(10.0 + seconds for _, _, seconds in result["attempts"]) / 60
        assert result["minutes"][-1] == pytest.approx(spent)


def test_a_task_that_nobody_can_show_costs_its_attempts_and_the_session_goes_on() -> None:
    hopeless = SETTING.pretraining.model_copy(update={"suite": "support.line_suite:HopelessLineSuite"})
    setting = SETTING.model_copy(
        update={"pretraining": hopeless, "demonstrations": 6, "batch": 3, "attempts": 4}
    )
    (job,) = sessions_of([setting], ["round_robin"], [0])
    result = session(job)
    assert "far_left" in result["missed"] and "far_left" not in result["chosen"]
    assert result["demonstrations"] == [0, 3, 6]
    assert result["failed"] == 4 * len(result["missed"])
