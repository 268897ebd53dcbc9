"""Graphs of real processes, small: tiny networks, few steps, easy tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.graph import TRAINING

from amf_ros.core.config import PretrainConfig
from amf_ros.session.pretraining import pretrain_checkpoint


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.graph)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that has seen a button pressed."""
    folder = tmp_path_factory.mktemp("pretrained")
    config = PretrainConfig(demonstrations={"press_button": 2}, training=TRAINING)
    pretrain_checkpoint(config, folder, processes=1)
    return folder / "pretrained"
