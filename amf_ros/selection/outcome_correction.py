"""Outcomes of roll-outs correct how well the posterior believes to know each task.

    corrected = corrected_by_outcomes(problem, config)

Eq. 2 of arXiv 2410.05026 is then asked under the covariance a_c a_c' k_D((s, c), (s', c')) with

    p0(c) = E_{s ~ rho_c} [ v(s, c) / (v(s, c) + sigma^2) ]        the share of what is unknown about the task
    p(c)  = (k p0(c) + f) / (k + n + m),   k = 1                   after f failures in n roll-outs
    a_c^2 = [p / (1 - p)] / [p0 / (1 - p0)]

p0 is read as a prior for the rate at which the policy fails; the roll-outs that a session makes anyway
turn it into p, the posterior mean under Beta(k p0, k (1 - p0)). Since p0 / (1 - p0) = v / sigma^2, the ratio
of the odds is the factor that brings the variance to what was observed. The roll-outs are those of the
current policy (m = 0) or, where it was not run on the task, the audit of the session's first policy: then p0
is that of the first policy, which knew pre-training only, and each of m demonstrations since counts as a
success to come. A task without roll-outs has a_c = 1.

So an outcome tells what was not believed already: a failure says little where nothing was known, and
much where pre-training or demonstrations are said to cover the task. Imports base, posterior_variance,
scaled_problem, success_rates and config.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.posterior_variance import StackedStates, posterior_given
from amf_ros.selection.scaled_problem import common_scale
from amf_ros.selection.success_rates import check_counts

PRIOR_EPISODES = 1.0
"""k: what the posterior's belief weighs against roll-outs."""

STEPS = 8
"""Steps per factor of two to which a_c^2 is rounded (9%). A demonstration moves p0 of all tasks a little, and
nothing could be kept for the next call if each a_c moved along."""


def corrected_by_outcomes(problem: Problem, config: SelectionConfig) -> Problem:
    """Return the problem with rows that are scaled, and multiplied by a_c: not to be rescaled any more.

    A corrected task must not change the scale of the others, so the scale is found before the correction.

    Raises:
        NoEmbeddings: a candidate or a target of positive weight has no states.
        SelectionError: counts contradict each other, or the features of all targets are zero.
        IllConditioned: the posterior could not be factorised.
    """
    weights = {key: weight for key, weight in problem.targets.items() if weight > 0}
    tasks = [task for task in problem.tasks if task.id in weights or task.id in set(problem.candidates)]
    states = StackedStates.of(tasks)
    mu = np.array([weights.get(task.id, 0.0) for task in tasks])
    scale = common_scale(mu, states.squares.tolist())
    for task in tasks:
        check_counts(task)
    factors = dict(zip((task.id for task in tasks), _amplitudes(problem, config, tasks, scale) * scale))

    def scaled(rows: Any, factor: float) -> Any:
        return rows * rows.dtype.type(factor)

    return replace(
        problem,
        tasks=tuple(
            replace(task, states=scaled(task.states, factors[task.id])) if task.id in factors else task
            for task in problem.tasks
        ),
        demonstrated=scaled(problem.demonstrated, scale),
        anchors=None if problem.anchors is None else scaled(problem.anchors, scale),
        coverage=None if problem.coverage is None else scaled(problem.coverage.astype(np.float64), scale**2),
    )


def _amplitudes(problem: Problem, config: SelectionConfig, tasks: list[TaskRecord], scale: float) -> Array:
    """Return a_c of each task, (tasks,)."""
    squared = np.ones(len(tasks))
    now = [row for row, task in enumerate(tasks) if task.num_episodes]
    audited = [row for row, task in enumerate(tasks) if task.num_audited and not task.num_episodes]
    for rows, demonstrated in ((now, True), (audited, False)):
        if rows:
            states = StackedStates.of([tasks[row] for row in rows])
            posterior = posterior_given(problem, config, scale, demonstrated)
            left = posterior.variance(posterior.whiten(scale * states.rows))
            believed = states.mean(left / (left + config.noise_variance))
            squared[rows] = [_odds_ratio(tasks[row], p0) for row, p0 in zip(rows, believed.tolist())]
    roots: Array = 2 ** (np.round(STEPS * np.log2(squared)) / (2 * STEPS))
    return roots


def _odds_ratio(task: TaskRecord, believed: float) -> float:
    """Return a_c^2 for p0 = ``believed``."""
    episodes, failures, since = task.num_episodes, task.num_episodes - task.num_successes, 0
    if not episodes:
        episodes, failures = task.num_audited, task.num_audited - task.num_audit_successes
        since = task.num_demonstrations
    if not believed > 0:  # states without any variance: no factor gives them some
        return 1.0
    rate = (PRIOR_EPISODES * believed + failures) / (PRIOR_EPISODES + episodes + since)
    return rate / (1 - rate) * (1 - believed) / believed
