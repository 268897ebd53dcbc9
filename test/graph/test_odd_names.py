"""A whole session over real processes where nothing is named as a programmer would."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.graph import TRAINING, connected, goal_of, running, session_directory
from support.odd_suites import RENAMED

from amf_msgs.action import RunSession
from amf_ros.core.config import PretrainConfig
from amf_ros.ros import names
from amf_ros.ros.client.graph_client import SendAgain
from amf_ros.session.plan import Plan, resolve
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.rollouts import RolloutStore

SUITE = "support.odd_suites:OddTabletopSuite"


@pytest.mark.slow
def test_a_session_with_odd_task_ids_in_an_odd_directory_runs_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    first = next(iter(RENAMED))
    config = PretrainConfig(suite=SUITE, demonstrations={first: 2}, training=TRAINING)
    pretrain_checkpoint(config, tmp_path / "pre", processes=1)
    run = session_directory(tmp_path / '-50% ; %(here)s \'é "日本" ~', tmp_path / "pre" / "pretrained")
    plan = Plan(
        suite=SUITE,
        strategy="round_robin",
        num_rounds=1,
        demonstrations_per_round=len(RENAMED),
        evaluation_episodes=1,
        fine_tune_steps=40,
    )
    plan = resolve(plan, list(RENAMED))
    with running(run, suite=SUITE) as graph, connected(graph) as client:
        result = client.act(RunSession, names.RUN_SESSION, goal_of(plan), again=SendAgain(20.0))
    assert result.error_code == 0, result.error_msg
    store = DemonstrationStore(run.demonstrations)
    assert {store.info(id_).task_id for id_ in store.ids()} == set(RENAMED)
    assert {rollout.task_id for rollout in RolloutStore(run.rollouts).all()} == set(RENAMED)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["pre", run.root.name])
