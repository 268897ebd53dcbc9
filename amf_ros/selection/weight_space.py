"""A problem over inputs [s, c], put into weight space: what lets every criterion here work with a kernel.

    problem = in_weight_space(problem, SelectionConfig(kernel=KernelConfig(family="matern52")))

A Gaussian process with kernel k, looked at on finitely many points, is a linear model in features phi with
phi(x) . phi(x') = k(x, x'). Rows of a factor of the kernel matrix over all points of a problem are such
features (:func:`amf_ros.core.covariance.kernel_features`), so that the posterior in weight space is the
Gaussian process's own, exactly. Imports base, config, errors and covariance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.covariance import kernel_features, product_kernel
from amf_ros.core.errors import SelectionError
from amf_ros.selection.base import Problem


def in_weight_space(problem: Problem, config: SelectionConfig) -> Problem:
    """Return the same problem with rows whose inner products are covariances of unit variance.

    Args:
        problem: rows are inputs; the last ``task_columns`` are the task's. With 0 of them the rows are
            taken as a whole, with ``state_lengthscale``.
        config: ``kernel`` over the rows, ``memory_mb`` as bound on the kernel matrix and its factor, and
            ``coverage``: without it anchors stay, a coverage is passed over.

    Returns:
        Rows (n, r) of the numerical rank r; tasks that are neither candidate nor target have none left.

    Raises:
        SelectionError: rows are not finite, are accompanied by coverage, or are too many.
    """
    if problem.coverage is not None and config.coverage:
        raise SelectionError(
            "coverage is moments of features, which do not say where inputs lay, and a kernel needs the "
            "inputs of pre-training themselves: set uncertainty to 'inputs', or coverage to false"
        )
    wanted = {*problem.candidates, *(key for key, weight in problem.targets.items() if weight > 0)}
    parts = [problem.demonstrated, problem.demonstrated[:0] if problem.anchors is None else problem.anchors]
    parts += [task.states if task.id in wanted else task.states[:0] for task in problem.tasks]
    inputs = np.concatenate(parts).astype(np.float64)
    needed_mb = 3 * len(inputs) ** 2 * 8 / 1e6  # the kernel works on a copy, the factor is one more
    if needed_mb > config.memory_mb:
        raise SelectionError(
            f"{len(inputs)} points need {needed_mb:.0f} MB for their covariances, memory_mb is "
            f"{config.memory_mb}; lower states_per_trajectory or trajectories_per_task, or raise memory_mb"
        )
    width, k = inputs.shape[1], problem.task_columns
    kernel = config.kernel
    over = product_kernel(kernel.family, width - k, k, kernel.state_lengthscale, kernel.task_lengthscale)
    rows: Any = kernel_features(over, inputs)  # float64: there is no network to round them
    demonstrated, anchors, *states = np.split(rows, np.cumsum([len(part) for part in parts])[:-1])
    return replace(
        problem,
        tasks=tuple(
            replace(task, states=own, weights=task.weights if task.id in wanted else None)
            for task, own in zip(problem.tasks, states)
        ),
        demonstrated=demonstrated,
        coverage=None,
        anchors=anchors if len(anchors) else None,
        task_columns=0,
    )
