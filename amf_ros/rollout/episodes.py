"""One episode: of a policy, or of the suite's scripted expert.

    rollout = run_policy(environment, policy, "press_button", seed=3, id="r000_e00_press_button")
    demonstration = demonstrate(environment, "press_button", seed=4, id="r001_i0_press_button")

The environment may be of any suite. Seeds decide everything: the same call gives the same arrays.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.values import Demonstration, Rollout, Source
from amf_ros.policies.base import Policy
from amf_ros.policies.controller import ChunkController
from amf_ros.policies.torch_threads import one_thread
from amf_ros.rollout.robot_environment import Environment


def run_policy(
    environment: Environment, policy: Policy, task_id: str, seed: int, id: str, checkpoint_id: str = ""
) -> Rollout:
    """Run a policy from the start that ``seed`` gives, until the task is done or its time is over.

    Returns:
        The states it visited, one per action.
    """
    observation = environment.reset(task_id, seed)
    controller = ChunkController(policy, environment.suite.embedding(task_id))
    visited = []
    with one_thread():
        while not environment.done:
            visited.append(observation)
            observation = environment.step(controller.act(observation))
    states = environment.interface.layout.stacked(visited)
    return Rollout(id, task_id, states, environment.outcome, checkpoint_id, len(states))


def demonstrate(environment: Environment, task_id: str, seed: int, id: str) -> Demonstration:
    """Let the scripted expert do the task once, until it stops or the task's time is over.

    ``outcome`` says whether it worked; a failed demonstration is returned too.
    """
    observation = environment.reset(task_id, seed)
    show = environment.demonstrator(seed)
    observations, actions, stamps = [], [], []
    while not environment.timed_out:
        stamp_ns = environment.stamp_ns
        shown = show()
        if shown is None:
            break
        observations.append(observation)
        stamps.append(stamp_ns)
        action, observation = shown
        actions.append(action)
    return Demonstration(
        id=id,
        task_id=task_id,
        observations=environment.interface.layout.stacked(observations),
        actions=np.array(actions),
        stamps_ns=np.array(stamps, dtype=np.int64),
        outcome=environment.outcome,
        source=Source.SCRIPTED_EXPERT,
        seed=seed,
    )
