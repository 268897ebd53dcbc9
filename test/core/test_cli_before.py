"""A local session says what of it is from before, and that suite or strategy have changed since."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.line_suite import LineSuite
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app
from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.session.pretraining import pretrain_checkpoint

SUITE = "support.line_suite:LineSuite"
TRAINING = TrainingConfig(hidden=(8,), pretrain_steps=20, num_steps=10)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    config = PretrainConfig(suite=SUITE, demonstrations={"left": 1}, training=TRAINING)
    pretrain_checkpoint(config, tmp_path / "checkpoints", processes=1)
    return tmp_path


def session(directory: Path) -> Result:
    words = f"session --local --suite {SUITE} --strategy round_robin --rounds 1 --per-round 1 --steps 2"
    done = CliRunner().invoke(app, [*words.split(), "--session-directory", str(directory)])
    assert done.exit_code == 0, done.output
    return done


def test_a_session_that_goes_on_says_what_is_from_before(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "from before" not in session(directory).output
    assert "steps of this session are from before, of the same suite and code" in session(directory).output
    monkeypatch.setattr(LineSuite, "version", "2", raising=False)
    for _ in range(2):  # running it does not make it the new suite's
        told = session(directory).output
        assert "from before, made with another suite; a new session directory begins anew" in told


def test_a_session_of_an_older_version_is_told_too(directory: Path) -> None:
    session(directory)
    (directory / "made_with.json").write_text("{")
    assert "made with another code and suite" in session(directory).output
