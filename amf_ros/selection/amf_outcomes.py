"""AMF that looks at outcomes: information about a task counts by how often the policy still fails at it.

    selection = AmfOutcomes(SelectionConfig()).select(problem)

Eq. 2 of arXiv 2410.05026 with mu(c) replaced by

    mu'(c) ~ mu(c) (failures(c) + 1) / (episodes(c) + 2)

the evaluation distribution times the posterior mean of the failure rate under a uniform prior (Laplace's
rule), from the roll-outs of the current policy that the session makes anyway. A task that works already is
not demonstrated again for its own sake; without episodes it is AMF.
"""

from __future__ import annotations

import numpy as np

from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem
from amf_ros.types import Array


class AmfOutcomes(Amf):
    """Expected information gain about what the policy fails at."""

    name = "amf_outcomes"

    def _weights(self, problem: Problem, targets: tuple[str, ...]) -> Array:
        records = {task.id: task for task in problem.tasks}
        failing = np.array(
            [
                (records[key].num_episodes - records[key].num_successes + 1) / (records[key].num_episodes + 2)
                for key in targets
            ]
        )
        weights = super()._weights(problem, targets) * failing
        normalised: Array = weights / weights.sum()
        return normalised
