"""The pre-trained checkpoint: scripted demonstrations of some tasks, cloned, with what they covered.

    info = pretrain_checkpoint(load_yaml(path, PretrainConfig), Path("runs/pretrained"))

Several simulators run at the same time; the result depends on the configuration alone.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from amf_ros.config import PretrainConfig
from amf_ros.contract import Interface
from amf_ros.errors import Cancelled, DataError
from amf_ros.policies.base import PolicySpec
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import load_suite
from amf_ros.training.checkpoints import save
from amf_ros.training.cloning import Progress, never, pretrain
from amf_ros.training.environment import interface_of, make_environment
from amf_ros.training.problem import coverage
from amf_ros.training.rollouts import demonstrate
from amf_ros.types import CheckpointInfo, Demonstration, Outcome

CHECKPOINT_ID = "pretrained"
ATTEMPTS = 5  # starts tried for one demonstration before giving up


@dataclass(frozen=True)
class Demonstrated:
    """Where the collection of demonstrations is."""

    task_id: str
    done: int
    total: int


Report = Callable[[Progress | Demonstrated], None]


def ignore(report: Progress | Demonstrated) -> None:
    """A progress callback for those who do not look."""


def pretrain_checkpoint(
    config: PretrainConfig,
    out: Path,
    progress: Report = ignore,
    should_stop: Callable[[], bool] = never,
    processes: int | None = None,
) -> CheckpointInfo:
    """Demonstrate, clone and save ``out/pretrained``, with ``processes`` simulators (None = one per core).

    Raises:
        UnknownName: a task, suite, policy or contract that does not exist.
        DataError: an expert failed on several starts of one task.
        TrainingDiverged: the loss is not finite.
        Cancelled: ``should_stop`` became true; nothing is written.
    """
    suite = load_suite(config.suite)
    interface = interface_of(suite, config.contract)
    counts = {suite.task(task_id).id: count for task_id, count in config.demonstrations.items()}
    wanted = [(task_id, n) for task_id, count in counts.items() for n in range(count)]
    collected = []
    for demo in _collect(config, wanted, processes):
        collected.append(demo)
        progress(Demonstrated(demo.task_id, len(collected), len(wanted)))
        raise_if(should_stop)
    spec = make_spec(interface, suite, config.training.chunk)
    policy = pretrain(
        spec, collected, suite, config.training, config.seed, config.policy, progress, should_stop
    )
    raise_if(should_stop)
    return save(
        out,
        CHECKPOINT_ID,
        policy,
        round=0,
        num_demonstrations=0,
        coverage=coverage(policy, collected, suite),
        pretraining=config.demonstrations,
    )


def make_spec(interface: Interface, suite: Suite, chunk: int) -> PolicySpec:
    """What a policy for this contract (or a suite's own interface) and suite is made for; H is ``chunk``."""
    return PolicySpec(
        observation_names=interface.observation_names,
        action_names=interface.action_names,
        task_names=suite.embedding_names,
        contract_hash=interface.hash,
        fps=interface.fps,
        chunk=chunk,
    )


def raise_if(should_stop: Callable[[], bool]) -> None:
    """Raise Cancelled where somebody asked to stop."""
    if should_stop():
        raise Cancelled("pre-training was stopped; nothing was written. Run it again to start over")


def _collect(
    config: PretrainConfig, wanted: list[tuple[str, int]], processes: int | None
) -> Iterator[Demonstration]:
    """One demonstration per (task, number), in order, from as many processes as asked for."""
    count = min(processes or os.cpu_count() or 1, len(wanted))
    if count == 1:
        demonstrator = _Demonstrator(config)
        yield from (demonstrator(task_id, n) for task_id, n in wanted)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and PyBullet's threads
    pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(config,))
    try:
        yield from pool.map(_demonstrate, *zip(*wanted))
    finally:
        pool.shutdown(cancel_futures=True)


class _Demonstrator:
    """One simulator and its scripted experts."""

    def __init__(self, config: PretrainConfig) -> None:
        self._seed = config.seed
        self._environment = make_environment(load_suite(config.suite), config.contract)

    def __call__(self, task_id: str, number: int) -> Demonstration:
        """A demonstration that worked. Raises DataError after some starts where none did."""
        for attempt in range(ATTEMPTS):
            seed = _seed(self._seed, task_id, number, attempt)
            demo = demonstrate(self._environment, task_id, seed, f"pretraining_{task_id}_{number:02d}")
            if demo.outcome is Outcome.SUCCESS:
                return demo
        raise DataError(
            f"the scripted expert failed {ATTEMPTS} starts of {task_id!r} in a row; "
            "leave the task out of the pre-training file or mend its expert"
        )


def _seed(seed: int, task_id: str, number: int, attempt: int) -> int:
    text = f"{seed}/{task_id}/{number}/{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


_demonstrator: _Demonstrator | None = None  # of a worker process


def _start(config: PretrainConfig) -> None:
    """Prepare a worker process: Ctrl-C is the parent's business, and no worker outlives it."""
    global _demonstrator
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _demonstrator = _Demonstrator(config)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _demonstrate(task_id: str, number: int) -> Demonstration:
    if _demonstrator is None:
        raise RuntimeError("the worker process was not started with _start")
    return _demonstrator(task_id, number)
