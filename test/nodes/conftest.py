"""Nodes in this process, with real rclpy."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.graph import TRAINING

from amf_ros.core.config import PretrainConfig
from amf_ros.ros.robot import sole
from amf_ros.session.pretraining import pretrain_checkpoint


@pytest.fixture(autouse=True)
def ros_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of one test: a robot that was stopped in another one is not stopped in this one."""
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    return tmp_path / "ros_home"


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that has seen a button pressed."""
    folder = tmp_path_factory.mktemp("pretrained")
    config = PretrainConfig(demonstrations={"press_button": 2}, training=TRAINING)
    pretrain_checkpoint(config, folder, processes=1)
    return folder / "pretrained"


@pytest.fixture(autouse=True)
def no_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Robot nodes made in this process do not listen for others before they start."""
    monkeypatch.setattr(sole, "LISTEN_S", 0.0)
