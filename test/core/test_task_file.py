"""Tasks as a YAML file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amf_ros.core.errors import ConfigError
from amf_ros.core.values import Outcome, SceneState
from amf_ros.tasks.base import RobotSuite
from amf_ros.tasks.judge import Judge
from amf_ros.tasks.loading import load_robot_suite

FILE = """
schema: amf_tasks/1
name: kitchen
tasks:
  - id: put_cup
    instruction: put the cup on the mat
    roles: {object: cup, target: mat}
    attributes: {skill: put}
    time_limit_s: 15
    done: [{distance: [object, target], axes: xy, below: 0.05}]
  - id: put_pan
    roles: {object: pan, target: mat}
    attributes: {skill: put}
    done: [{distance: [object, target], below: 0.1}, {distance: [object, target], axes: z, above: 0.01}]
  - {id: wipe}
"""


def kitchen(folder: Path, text: str = FILE) -> RobotSuite:
    path = folder / "kitchen.yaml"
    path.write_text(text)
    return load_robot_suite(str(path))


def scene(stamp_ns: int = 1, **positions: tuple[float, float, float]) -> SceneState:
    poses = np.array([[*position, 0.0, 0.0, 0.0, 1.0] for position in positions.values()])
    return SceneState(stamp_ns, tuple(positions), poses)


def test_a_file_is_a_suite(tmp_path: Path) -> None:
    suite = kitchen(tmp_path)
    assert suite.name == "kitchen" and [task.id for task in suite.tasks] == ["put_cup", "put_pan", "wipe"]
    assert suite.task("put_cup").instruction == "put the cup on the mat"
    assert suite.task("put_cup").time_limit_s == 15.0
    assert suite.embedding_names == ("skill=put", "task=put_cup", "task=put_pan", "task=wipe")
    assert suite.embedding("put_pan").tolist() == [1.0, 0.0, 1.0, 0.0]


def test_a_task_is_done_where_all_distances_hold(tmp_path: Path) -> None:
    suite = kitchen(tmp_path)
    assert suite.succeeded("put_cup", scene(cup=(0.0, 0.03, 0.5), mat=(0.0, 0.0, 0.0)))
    assert not suite.succeeded("put_cup", scene(cup=(0.04, 0.04, 0.0), mat=(0.0, 0.0, 0.0)))
    assert suite.succeeded("put_pan", scene(pan=(0.0, 0.0, 0.05), mat=(0.0, 0.0, 0.0)))
    assert not suite.succeeded("put_pan", scene(pan=(0.0, 0.05, 0.0), mat=(0.0, 0.0, 0.0)))


def test_what_nobody_judges_stays_unlabelled(tmp_path: Path) -> None:
    suite = kitchen(tmp_path)
    blind, seeing = Judge(suite, "wipe", dwell=1), Judge(suite, "put_cup", dwell=1)
    there = scene(cup=(0.0, 0.0, 0.0), mat=(0.0, 0.0, 0.0))
    assert not blind.update(there) and blind.outcome is Outcome.UNLABELED
    assert seeing.outcome is Outcome.FAILURE
    assert seeing.update(there) and seeing.outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "target: mat}\n    attributes: {skill: put}\n    time",
            "to: mat}\n    time",
            "role 'target', which is not",
        ),
        ("below: 0.05", "below: 0.05, above: 0.1", "give one of below and above"),
        ("below: 0.05", "below: -1", "below"),
        ("- {id: wipe}", "- {id: put_cup}", "'put_cup' stands twice"),
        ("time_limit_s: 15", "time_limit: 15", "time_limit"),
        ("amf_tasks/1", "amf_tasks/9", "schema"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, text: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=text):
        kitchen(tmp_path, FILE.replace(old, new, 1))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no file 'nowhere.yaml'"):
        load_robot_suite("nowhere.yaml")
