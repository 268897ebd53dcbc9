"""ChunkController plays a policy's chunks one action at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.frames import spec_of

from amf_ros.core.errors import PolicyFailed
from amf_ros.core.frames import Frame, Frames
from amf_ros.policies.base import F32
from amf_ros.policies.controller import ChunkController


class Counter:
    """Answers chunk after chunk: action j of call i at observation o is (i, j, o)."""

    spec = spec_of(("o",), ("i", "j", "o"), ("t",), "", 20.0, chunk=3)

    def __init__(self) -> None:
        self.calls = 0

    def infer(self, observations: Frames, tasks: F32) -> F32:
        rows = [[self.calls, j, float(observations.flat()[0, 0])] for j in range(3)]
        self.calls += 1
        return np.array([rows], np.float32)

    def embed(self, observations: Frames, tasks: F32) -> F32:
        return observations.flat()

    def tensors(self) -> Mapping[str, Any]:
        return {}

    def settings(self) -> Mapping[str, Any]:
        return {}


def seen(value: float) -> Frame:
    return {"observation": np.array([value])}


def play(controller: ChunkController, steps: int) -> list[list[float]]:
    return [controller.act(seen(float(step))).tolist() for step in range(steps)]


def test_whole_chunk_is_played_before_the_policy_is_asked_again() -> None:
    controller = ChunkController(Counter(), np.zeros(1), execute=3)
    assert play(controller, 4) == [[0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 0, 3]]


def test_execute_one_asks_at_each_step() -> None:
    assert play(ChunkController(Counter(), np.zeros(1), execute=1), 3) == [[0, 0, 0], [1, 0, 1], [2, 0, 2]]


def test_reset_forgets_the_rest_of_the_chunk() -> None:
    controller = ChunkController(Counter(), np.zeros(1), execute=3)
    play(controller, 1)
    controller.reset()
    assert controller.act(seen(9.0)).tolist() == [1, 0, 9]


def test_actions_are_float64_and_independent_of_the_policys_memory() -> None:
    controller = ChunkController(Counter(), np.zeros(1))
    action = controller.act(seen(0.0))
    assert action.dtype == np.float64
    action[:] = 99
    assert controller.act(seen(0.0))[2] == 0


@pytest.mark.parametrize("execute", [0, 4, -1])
def test_execute_beyond_the_chunk_is_refused(execute: int) -> None:
    with pytest.raises(ValueError, match=f"execute is {execute}.*chunk of 3"):
        ChunkController(Counter(), np.zeros(1), execute=execute)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (ValueError("shapes (3,) and (4,)"), r"the policy raised ValueError: 'shapes \(3,\) and \(4,\)'"),
        (np.full((1, 3, 3), np.nan, dtype=np.float32), "gave nan for .*, not a finite number"),
        (np.zeros((1, 2, 3), dtype=np.float32), r"array of shape \(1, 2, 3\), expected \(1, 3, 3\)"),
        (np.zeros((1, 3, 4), dtype=np.float32), r"array of shape \(1, 3, 4\)"),
        (None, r"array of shape \(\)"),
    ],
)
def test_whatever_a_policy_does_wrong_is_one_error_of_ours(answer: object, problem: str) -> None:
    class Broken(Counter):
        def infer(self, observations: Frames, tasks: F32) -> F32:
            if isinstance(answer, Exception):
                raise answer
            return answer

    with pytest.raises(PolicyFailed, match=problem):
        ChunkController(Broken(), np.zeros(1)).act(seen(0.0))
