"""AMF that looks at outcomes: information about a task counts by how often the policy still fails at it.

    selection = AmfOutcomes(SelectionConfig()).select(problem)

Eq. 2 of arXiv 2410.05026 with mu(c) replaced by

    mu'(c) ~ mu(c) (1 - p(c)),    p(c) = (s + 1 + m) / (n + 2 + m)

the evaluation distribution times the posterior mean of the failure rate under a uniform prior, from the
roll-outs that a session makes anyway (:func:`amf_ros.selection.outcomes.success_rate`: the current policy's,
else the audit's with each of m demonstrations since counted as a success to come). A task that works is not
demonstrated again for its own sake, but still where that teaches a task that fails. Without any roll-out of
a task its failure rate is 1/2; without any at all it is AMF.

What a failure does not tell is where: it raises the worth of what there is to learn about the task, not the
posterior variance. A task that fails though pre-training covered all its states gains little from more of
the same states; :mod:`amf_ros.selection.audit_then_count` would demonstrate it all the same.
"""

from __future__ import annotations

import numpy as np

from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem
from amf_ros.selection.outcomes import has_outcomes, success_rate
from amf_ros.types import Array


class AmfOutcomes(Amf):
    """Expected information gain about what the policy fails at."""

    name = "amf_outcomes"
    audit_episodes = 4

    def _weights(self, problem: Problem, targets: tuple[str, ...]) -> Array:
        records = {task.id: task for task in problem.tasks}
        failing = np.array(
            [1 - success_rate(records[key]) if has_outcomes(records[key]) else 0.5 for key in targets]
        )
        weights = super()._weights(problem, targets) * failing
        normalised: Array = weights / weights.sum()
        return normalised
