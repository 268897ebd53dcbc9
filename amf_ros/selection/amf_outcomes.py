"""AMF that looks at outcomes: the rate at which the policy fails replaces what the posterior believes of it.

    selection = AmfOutcomes(SelectionConfig()).select(problem)

Eq. 2 of arXiv 2410.05026 with mu(c) replaced by

    mu'(c) ~ mu(c) p(c) / p0(c),    p0(c) = E_{s ~ rho_c} [ v(s, c) / (v(s, c) + sigma^2) ],
                                    p(c) = (k p0(c) + f) / (k + n + m),   k = 1

p0 is the posterior's own share of what is unknown about the task, read as a prior for the rate at which
the policy fails; f failures in n roll-outs that the session makes anyway turn it into p, a Beta prior's
posterior mean. Both roll-outs of the current policy (m = 0) and, where there are none, the audit of the
session's first policy count; then p0 is that of the first policy, which knew pre-training only, and each of
m demonstrations since counts as a success to come. Without roll-outs of a task p = p0, without any it is AMF.

What a failure tells depends on what was believed. Where nothing was known it tells nothing new (p / p0 near
1). Where pre-training or demonstrations are said to cover the task, gains are small, about p0 times
the share of the variance that a demonstration removes: the ratio puts the observed rate in the place of
p0, so a covered task that fails is demonstrated and a task that works is not, except for what it teaches
others. The variances themselves stay as they are: an outcome does not say in which state it went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.outcomes import check_counts
from amf_ros.selection.posterior import variance
from amf_ros.selection.variances import States, posterior_of, scale_of
from amf_ros.types import Array

PRIOR_EPISODES = 1.0  # k: what the posterior's belief weighs against roll-outs


class AmfOutcomes(Amf):
    """Expected information gain about what the policy fails at."""

    name = "amf_outcomes"
    audit_episodes = 4

    def _weights(self, problem: Problem, targets: tuple[str, ...]) -> Array:
        records = {task.id: task for task in problem.tasks}
        tasks = [records[key] for key in targets]
        for task in tasks:
            check_counts(task)
        weights = super()._weights(problem, targets)
        weights = weights * self._surprise(self._features(problem), tasks, weights)
        normalised: Array = weights / weights.sum()
        return normalised

    def _surprise(self, problem: Problem, tasks: Sequence[TaskRecord], weights: Array) -> Array:
        """P / p0 of each task, (tasks,)."""
        now = np.array([task.num_episodes > 0 for task in tasks])
        audited = np.array([task.num_audited > 0 for task in tasks]) & ~now
        ratios = np.ones(len(tasks))
        if not (now | audited).any():
            return ratios
        records = {task.id: task for task in problem.tasks}
        shown = [records[task.id] for task in tasks]
        scale = scale_of(shown, weights) if self.rescale else 1.0
        for kind, demonstrated in ((now, True), (audited, False)):
            rows = np.flatnonzero(kind).tolist()
            if rows:
                states = States.of([shown[row] for row in rows], scale)
                posterior = posterior_of(problem, self._config, scale, demonstrated)
                left = variance(posterior.whiten(states.rows))
                believed = states.mean(left / (left + self._config.noise_variance))
                ratios[rows] = [_ratio(tasks[row], p0) for row, p0 in zip(rows, believed.tolist())]
        return ratios


def _ratio(task: TaskRecord, believed: float) -> float:
    """P / p0 for p0 = ``believed``."""
    episodes, failures, since = task.num_episodes, task.num_episodes - task.num_successes, 0
    if not episodes:
        episodes, failures = task.num_audited, task.num_audited - task.num_audit_successes
        since = task.num_demonstrations
    if not believed > 0:  # nothing is left to learn about it, whatever it is worth
        return 1.0
    rate = (PRIOR_EPISODES * believed + failures) / (PRIOR_EPISODES + episodes + since)
    return rate / believed
