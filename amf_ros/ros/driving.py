"""One episode of a policy: which state asks for which command, and when it is over. No node, no topics.

driving = Driving(policy, suite, contract, task, limits)
command = driving.act(inputs.read())      # None: the episode is over
"""

from __future__ import annotations

import time

from amf_ros.arm.episode_follower import EpisodeFollower
from amf_ros.arm.protocol import EPISODE_GAP_NS
from amf_ros.contract import Contract
from amf_ros.contract.align import Moment
from amf_ros.core.frames import Frame
from amf_ros.core.values import JointCommand, Outcome, Rollout, Task
from amf_ros.policies.base import Policy
from amf_ros.policies.controller import ChunkController
from amf_ros.tasks.base import RobotSuite
from amf_ros.tasks.judge import Judge


class Driving:
    """Observe, infer, command, judge: :func:`amf_ros.rollout.episodes.run_policy`, one state at a time.

    Args:
        limit_ns: time limit on the robot's clock; 0 = the task's own [ns].
        start_ns: stamp of the first state; 0 = the next one [ns].
        exact: lock-step, see :class:`~amf_ros.arm.episode_follower.EpisodeFollower`.
        dwell: see :class:`~amf_ros.tasks.judge.Judge`.
    """

    def __init__(
        self,
        policy: Policy,
        suite: RobotSuite,
        contract: Contract,
        task: Task,
        *,
        limit_ns: int,
        start_ns: int,
        exact: bool,
        dwell: int,
    ) -> None:
        self.task, self._contract, self._exact = task, contract, exact
        self._controller = ChunkController(policy, suite.embedding(task.id))
        self._judge = Judge(suite, task.id, dwell)
        steps = round(task.time_limit_s * contract.fps)
        # In real time joints may pause for as long as the contract allows; a reset is told by the robot.
        pause_ns = 0 if exact else contract.joints_age_ns
        self.episode = EpisodeFollower(
            start_ns,
            limit_ns or steps * contract.period_ns,
            exact=exact,
            gap_ns=max(EPISODE_GAP_NS, pause_ns),
        )
        self._visited: list[Frame] = []
        self.inference_s = 0.0

    @property
    def num_steps(self) -> int:
        """Commands so far."""
        return len(self._visited)

    @property
    def outcome(self) -> Outcome:
        """Of the episode, by the states acted upon; nobody can tell where the contract has no scene."""
        return self._judge.outcome if self._contract.scene_topic is not None else Outcome.UNLABELED

    def due(self, stamp_ns: int) -> bool:
        """Say whether a state is to be looked at: real arms report faster than the policy runs."""
        early = 0 < stamp_ns - self.episode.last_ns < 0.75 * self._contract.period_ns
        return self._exact or self.episode.first_ns is None or not early

    def act(self, moment: Moment) -> JointCommand | None:
        """Give the command for what is known now, or None when the task is done or its time is over.

        Raises:
            StaleObservation: an input is older than the contract allows.
            ContractError: names or values do not fit.
            PolicyFailed: see :meth:`ChunkController.act`.
        """
        done = moment.scene is not None and self._judge.update(moment.scene)
        if done or self.episode.timed_out:
            return None
        observation = self._contract.observe(moment.inputs, self.task.roles).values
        started = time.monotonic()
        action = self._controller.act(observation)
        self.inference_s = time.monotonic() - started
        self._visited.append(observation)
        return self._contract.decode(action, moment.joints, moment.stamp_ns)

    def rollout(self, rollout_id: str, checkpoint_id: str) -> Rollout:
        """Return what was visited, one state per command."""
        states = self._contract.layout.stacked(self._visited)
        return Rollout(rollout_id, self.task.id, states, self.outcome, checkpoint_id, len(states))
