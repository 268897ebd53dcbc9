"""AMF that looks at outcomes: roll-outs correct how well the posterior believes to know each task.

    selection = AmfOutcomes(SelectionConfig()).select(problem)

Eq. 2 of arXiv 2410.05026 under the posterior covariance a_c a_c' k_D((s, c), (s', c')) with

    p0(c) = E_{s ~ rho_c} [ v(s, c) / (v(s, c) + sigma^2) ]        the share of what is unknown about the task
    p(c)  = (k p0(c) + f) / (k + n + m),   k = 1                   after f failures in n roll-outs
    a_c^2 = [p / (1 - p)] / [p0 / (1 - p0)]

p0 is read as a prior for the rate at which the policy fails; the roll-outs that a session makes anyway
turn it into p, the posterior mean under Beta(k p0, k (1 - p0)). Since p0 / (1 - p0) = v / sigma^2, the ratio
of the odds is the factor that brings the variance to what was observed. The roll-outs are those of the
current policy (m = 0) or, where it was not run on the task, the audit of the session's first policy: then p0
is that of the first policy, which knew pre-training only, and each of m demonstrations since counts as a
success to come. A task without roll-outs has a_c = 1; without any it is AMF.

So an outcome tells what was not believed already: a failure says little where nothing was known, and
much where pre-training or demonstrations are said to cover the task. A covered task that fails is
demonstrated, one that works is not, and who teaches whom stays a matter of the correlations. The gain falls
with the failures, and with it the reason to go on (``SelectionConfig.stop_below``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from amf_ros.core.values import Array
from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.outcomes import check_counts
from amf_ros.selection.posterior import variance
from amf_ros.selection.variances import States, posterior_of, scale_of

PRIOR_EPISODES = 1.0  # k: what the posterior's belief weighs against roll-outs


class AmfOutcomes(Amf):
    """Expected information gain, with variances that agree with what the policy was seen to do.

    Attributes:
        steps: per factor of two, to which a_c^2 is rounded (9%). A demonstration moves p0 of all tasks a
            little, and nothing could be kept for the next call if each a_c moved along.
    """

    name = "amf_outcomes"
    audit_episodes = 4
    steps = 8
    rescale = False  # done here: a corrected task must not change the scale of the others

    def _features(self, problem: Problem) -> Problem:
        problem = super()._features(problem)
        wanted = {*problem.candidates, *(key for key, weight in problem.targets.items() if weight > 0)}
        tasks = [task for task in problem.tasks if task.id in wanted]
        targets = [task for task in tasks if problem.targets.get(task.id, 0) > 0]
        mu = np.array([problem.targets[task.id] for task in targets])
        scale = scale_of(targets, mu) if super().rescale else 1.0
        moments: Any = problem.coverage
        factors = dict(zip((task.id for task in tasks), self._amplitudes(problem, tasks, scale) * scale))
        return replace(
            problem,
            tasks=tuple(
                replace(task, states=task.states * task.states.dtype.type(factors[task.id]))
                if task.id in factors
                else task
                for task in problem.tasks
            ),
            demonstrated=problem.demonstrated * problem.demonstrated.dtype.type(scale),
            anchors=None if problem.anchors is None else problem.anchors * problem.anchors.dtype.type(scale),
            coverage=None if moments is None else moments.astype(np.float64) * scale**2,
        )

    def _amplitudes(self, problem: Problem, tasks: list[TaskRecord], scale: float) -> Array:
        """a_c of each task, (tasks,)."""
        for task in tasks:
            check_counts(task)
        now = np.array([task.num_episodes > 0 for task in tasks])
        audited = np.array([task.num_audited > 0 for task in tasks]) & ~now
        squared = np.ones(len(tasks))
        for kind, demonstrated in ((now, True), (audited, False)):
            rows = np.flatnonzero(kind).tolist()
            if rows:
                states = States.of([tasks[row] for row in rows], scale)
                posterior = posterior_of(problem, self._config, scale, demonstrated)
                left = variance(posterior.whiten(states.rows))
                believed = states.mean(left / (left + self._config.noise_variance))
                squared[rows] = [_odds_ratio(tasks[row], p0) for row, p0 in zip(rows, believed.tolist())]
        roots: Array = 2 ** (np.round(self.steps * np.log2(squared)) / (2 * self.steps))
        return roots


def _odds_ratio(task: TaskRecord, believed: float) -> float:
    """a_c^2 for p0 = ``believed``."""
    episodes, failures, since = task.num_episodes, task.num_episodes - task.num_successes, 0
    if not episodes:
        episodes, failures = task.num_audited, task.num_audited - task.num_audit_successes
        since = task.num_demonstrations
    if not believed > 0:  # states without any variance: no factor gives them some
        return 1.0
    rate = (PRIOR_EPISODES * believed + failures) / (PRIOR_EPISODES + episodes + since)
    return rate / (1 - rate) * (1 - believed) / believed
