"""Suites whose tasks are named as people name things: with spaces, slashes, signs and other scripts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, SceneState, Task
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.sim.tabletop.experts import TabletopExpert
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.tasks.tabletop import TabletopSuite
from support.line_suite import LineSimulator

ODD_NAMES = (
    "reach 60°",
    "pick/place",
    "../up",
    "trailing ",
    "no",
    "1e3",
    "x" * 260,
    "Öffne Tür",
    "O\u0308ffne Tu\u0308r",  # looks the same
    "抓取",
    "$x^$ [bold]<b>",
    "50% {a} 'b' \"c\"",
)


class OddLineSimulator(LineSimulator):
    """The place to go is the position of the name."""

    def reset(self, task_id: str, seed: int) -> Array:
        self._goal = 1.0 + 0.5 * ODD_NAMES.index(task_id)
        self._x = float(np.random.default_rng(seed).uniform(-0.2, 0.2))
        return np.array([self._x])


class OddLineSuite:
    name = "odd line"
    tasks = tuple(Task(name, f"go {name}", {}, time_limit_s=2.5) for name in ODD_NAMES)
    observation_names = ("x",)
    action_names = ("dx",)
    fps = 10.0
    embedding_names = ODD_NAMES
    environment = OddLineSimulator

    def task(self, task_id: str) -> Task:
        if task_id not in ODD_NAMES:
            raise UnknownName("task", task_id, ODD_NAMES)
        return self.tasks[ODD_NAMES.index(task_id)]

    def embedding(self, task_id: str) -> Array:
        return np.eye(len(ODD_NAMES))[ODD_NAMES.index(task_id)]


RENAMED: Mapping[str, str] = {
    "../Knopf drücken 60°": "press_button",
    "pick/place é": "place_red_left",
    "no": "push_green",
}


class _Scene(TabletopScene):
    def place(self, client: int, task_id: str, rng: np.random.Generator) -> None:
        super().place(client, RENAMED[task_id], rng)


class OddTabletopSuite:
    """Three tasks of the tabletop under other names; its own staging, as a suite may be."""

    name = "odd tabletop"

    def __init__(self) -> None:
        self._plain = TabletopSuite()
        self._staging = TabletopStaging(self._plain)
        self.tasks = tuple(self._task(odd) for odd in RENAMED)

    def _task(self, odd: str) -> Task:
        plain = self._plain.task(RENAMED[odd])
        return Task(odd, odd, plain.roles, plain.attributes, plain.time_limit_s)

    def task(self, task_id: str) -> Task:
        if task_id not in RENAMED:
            raise UnknownName("task", task_id, RENAMED)
        return self._task(task_id)

    @property
    def embedding_names(self) -> tuple[str, ...]:
        return tuple(RENAMED)

    def embedding(self, task_id: str) -> Array:
        return np.eye(len(RENAMED))[list(RENAMED).index(task_id)]

    def succeeded(self, task_id: str, scene: SceneState) -> bool:
        return self._plain.succeeded(RENAMED[task_id], scene)

    def expert(self, task_id: str, seed: int) -> TabletopExpert:
        return self._staging.expert(RENAMED[task_id], seed)

    def scene(self) -> TabletopScene:
        return _Scene()
