"""The in-process session without files: what benchmarks run by the hundred.

    checkpoint = pretrain_in_memory(config, environment)
    result, told = run_in_memory(plan, checkpoint, training=config.training, environment=environment)
    told["success_after"]["successes"]

The loop, the worker and the seeds are those of :func:`amf_ros.session.local.run_local`: equal plans and
checkpoints give equal sequences and equal successes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from amf_ros.core.config import SelectionConfig, TrainingConfig
from amf_ros.core.defaults import CONTRACT
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.learning.fine_tuning import Start
from amf_ros.rollout.robot_environment import Environment, make_environment
from amf_ros.session.base import State
from amf_ros.session.journal import Journal
from amf_ros.session.local import Episodes, LocalWorker
from amf_ros.session.loop import Result, run
from amf_ros.session.plan import Plan, resolve
from amf_ros.session.stores import MemoryStores
from amf_ros.session.summary import summary
from amf_ros.tasks.loading import load_suite


def run_in_memory(
    plan: Plan,
    checkpoint: Checkpoint,
    selection: SelectionConfig | None = None,
    training: TrainingConfig | None = None,
    environment: Environment | None = None,
    *,
    start: Start = "pretrained",
    episodes: Episodes | None = None,
    contract: str = CONTRACT,
    report: Callable[[State], None] = lambda state: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Result, dict[str, Any]]:
    """Run a whole session in this process and leave nothing behind.

    Args:
        plan: what to do; empty candidates and targets mean the whole suite.
        checkpoint: to start from; stays as it is.
        selection: how to choose; its ``strategy`` is the plan's.
        training: how to fine-tune; ``prior=False`` is plain replay of what was collected.
        environment: of the plan's suite, reused and left open; None makes one.
        start: ``scratch`` trains each round's policy from random weights on what was collected.
        episodes: a dict that sessions of one checkpoint share: those episodes of ``checkpoint`` that
            another strategy with the same plan and seed has made are not made again.
        contract: of the robot, where ``environment`` is None.
        report: called before, while and after each step.
        should_stop: asked between steps and gradient steps.

    Returns:
        What was reached, and the summary as :func:`amf_ros.session.summary.summary` gives it.

    Raises:
        AmfError: see :func:`amf_ros.session.loop.run`.
    """
    if environment is None:
        with closing(make_environment(load_suite(plan.suite), contract)) as made:
            return run_in_memory(
                plan, checkpoint, selection, training, made,
                start=start, episodes=episodes, report=report, should_stop=should_stop,
            )  # fmt: skip
    plan = resolve(plan, [task.id for task in environment.suite.tasks])
    worker = LocalWorker(
        plan, environment, checkpoint, MemoryStores(), selection, training, should_stop, start, episodes
    )
    with Journal(None) as journal:
        result = run(plan, worker, journal, report, should_stop)
        return result, summary(journal)
