"""A suite of one's own: an arm with two joints is taught to reach for twelve places around it.

Run it from the repository:   python -m examples.own_suite      (docs/own_suite.md explains it)
"""

from pathlib import Path

import numpy as np

from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.core.values import Task
from amf_ros.session.local import run_local
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.tasks.table import TaskTable

HZ, LINK_M, FASTEST = 10.0, 0.5, 2.0  # steps per second, length of a link, rad/s
PLACES = {f"reach_{degrees}": np.deg2rad(degrees) for degrees in range(0, 360, 30)}


class ArmSimulator:
    """Joint angles q [rad] follow the commanded velocities exactly."""

    def reset(self, task_id, seed):
        self._goal = 0.7 * np.array([np.cos(PLACES[task_id]), np.sin(PLACES[task_id])])
        self._q = np.random.default_rng(seed).uniform([-0.3, 2.4], [0.3, 2.8])
        return self._observe()

    def step(self, action):
        self._q = self._q + action / HZ
        return self._observe()

    @property
    def succeeded(self):
        return bool(np.linalg.norm(self._goal - self._tip()) < 0.08)

    def expert(self):
        if self.succeeded:
            return None
        x, y = self._tip()
        elbow_x, elbow_y = LINK_M * np.cos(self._q[0]), LINK_M * np.sin(self._q[0])
        jacobian = np.array([[-y, elbow_y - y], [x, x - elbow_x]])
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 0.02 * np.eye(2), self._goal - (x, y))
        return np.clip(4.0 * step, -FASTEST, FASTEST)

    def _tip(self):
        ends = np.cumsum(self._q)
        return LINK_M * np.array([np.cos(ends).sum(), np.sin(ends).sum()])

    def _observe(self):
        return np.concatenate([np.cos(self._q), np.sin(self._q), self._tip()])


class ArmSuite(TaskTable):
    name = "arm"
    tasks = tuple(Task(place, time_limit_s=6.0) for place in PLACES)
    observation_names = ("cos0", "cos1", "sin0", "sin1", "tip_x", "tip_y")
    action_names, action_low, action_high = ("velocity0", "velocity1"), (-FASTEST,) * 2, (FASTEST,) * 2
    fps = HZ
    embedding_names = ("cos", "sin")
    environment = ArmSimulator

    def embedding(self, task_id):
        return np.array([np.cos(PLACES[task_id]), np.sin(PLACES[task_id])])


if __name__ == "__main__":
    suite, folder = "examples.own_suite:ArmSuite", Path("runs/own_suite")
    known = {"reach_0": 3, "reach_30": 3, "reach_60": 3, "reach_90": 3}
    training = TrainingConfig(hidden=(64, 64), pretrain_steps=1500, num_steps=400, learning_rate=3e-3)
    config = PretrainConfig(suite=suite, demonstrations=known, training=training)
    pretrained = pretrain_checkpoint(config, folder / "checkpoints", processes=1)
    plan = Plan(suite=suite, num_rounds=6, demonstrations_per_round=1, final_episodes=5)
    result = run_local(plan, pretrained.uri, folder, training=training)
    print("demonstrated:", ", ".join(result.demonstrations))
    print("success:", {task: f"{done}/{tried}" for task, (tried, done) in result.evaluations.items()})
