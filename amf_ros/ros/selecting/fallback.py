"""What is answered before the strategy that was asked for can: by counts, and saying so. No ROS in here.

    selection = instead(problem, "amf", config, "no states of 8 of 16 tasks")
    problem = counts_only(suite, ...)      # before there is a checkpoint

In the first minutes there is no checkpoint, or the policy has not tried the tasks yet, so nothing can be
embedded. Somebody who plans wants to begin all the same: the tasks that are most lacking among the
demonstrations are a good first batch, and no demonstration of them is wasted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from amf_ros.core.config import SelectionConfig
from amf_ros.core.plugins import load
from amf_ros.core.values import Demonstration, indices
from amf_ros.selection.base import Problem, Selection, TaskRecord
from amf_ros.selection.costs import demonstration_seconds
from amf_ros.tasks.base import Suite

NAMES = ("rebalancing", "least_demonstrated")
TRY = "let the policy try each task once (amf evaluate --episodes 1)"


def instead(problem: Problem, asked: str, config: SelectionConfig, missing: str) -> Selection:
    """Return the choice by counts: with those of pre-training where the checkpoint says them.

    Args:
        problem: that ``asked`` could not answer.
        asked: name of the strategy.
        config: of the selector.
        missing: what it lacks, and what to do, for the reason.
    """
    known = any(task.num_pretraining is not None for task in problem.tasks)
    name = NAMES[0] if known else NAMES[1]
    made: Selection = load("strategy", name)(config.model_copy(update={"strategy": name})).select(problem)
    return replace(
        made, reason=f"{made.reason}; by counts, since {asked} cannot compare tasks yet: {missing}"
    )


def counts_only(
    suite: Suite,
    candidates: Sequence[str],
    targets: Mapping[str, float],
    demonstrations: Sequence[Demonstration],
    attempts: Mapping[str, Sequence[tuple[float, bool]]],
    config: SelectionConfig,
    num_tasks: int,
    seed: int,
) -> Problem:
    """Return the question without a checkpoint: counts and times, and no states of any task.

    Raises:
        UnknownName: a candidate is not in the suite.
    """
    ids = tuple(task.id for task in suite.tasks)
    rows = sorted(indices("task", ids, candidates))
    shown = Counter(demonstration.task_id for demonstration in demonstrations)
    seconds = demonstration_seconds({key: attempts.get(key, ()) for key in ids}, config.reset_s)
    nothing = np.empty((0, 1), np.float32)
    return Problem(
        tasks=tuple(
            TaskRecord(key, nothing, num_demonstrations=shown[key], demonstration_s=seconds[key])
            for key in ids
        ),
        candidates=tuple(ids[row] for row in rows) or ids,
        targets=targets,
        demonstrated=nothing,
        num_tasks=num_tasks,
        seed=seed,
    )
