"""The pre-trained checkpoint: scripted demonstrations of some tasks, cloned, with what they covered.

    info = pretrain_checkpoint(load_yaml(path, PretrainConfig), Path("runs/pretrained"))

Several simulators run at the same time; the result depends on the configuration alone.

    checkpoint = pretrain_in_memory(config)      # for benchmarks: one process, nothing written
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amf_ros.contract import Interface
from amf_ros.core.config import PretrainConfig
from amf_ros.core.errors import Cancelled, DataError
from amf_ros.core.values import CheckpointInfo, Demonstration, Outcome
from amf_ros.knowledge.cover import cover
from amf_ros.learning.checkpoints import Checkpoint, policy_name, save_checkpoint
from amf_ros.learning.cloning import Progress, check_device, never, pretrain
from amf_ros.policies.base import PolicySpec
from amf_ros.rollout.episodes import demonstrate
from amf_ros.rollout.robot_environment import Environment, interface_of, make_environment
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import load_suite

CHECKPOINT_ID = "pretrained"
ATTEMPTS = 20  # starts tried for one demonstration before giving up: experts may fail now and then


@dataclass(frozen=True)
class Demonstrated:
    """Where the collection of demonstrations is."""

    task_id: str
    done: int
    total: int


Report = Callable[[Progress | Demonstrated], None]


def ignore(report: Progress | Demonstrated) -> None:
    """Ignore progress, for those who do not look."""


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
        ConfigError: torch cannot compute on the configured device.
        DataError: an expert failed on several starts of one task.
        TrainingDiverged: the loss is not finite.
        Cancelled: ``should_stop`` became true; nothing is written.
    """
    check_device(config.training.device)
    suite = load_suite(config.suite)
    interface = interface_of(suite, config.contract)
    collected, wanted = [], _wanted(config, suite)
    for demo in _collect(config, wanted, processes):
        collected.append(demo)
        progress(Demonstrated(demo.task_id, len(collected), len(wanted)))
        raise_if(should_stop)
    return save_checkpoint(out, _clone(config, suite, interface, collected, progress, should_stop))


def pretrain_in_memory(
    config: PretrainConfig,
    environment: Environment | None = None,
    progress: Report = ignore,
    should_stop: Callable[[], bool] = never,
) -> Checkpoint:
    """Make the same checkpoint in memory, demonstrated in ``environment``; None makes one and closes it.

    Raises:
        UnknownName, DataError, TrainingDiverged, Cancelled: as :func:`pretrain_checkpoint`.
    """
    if environment is None:
        with closing(make_environment(load_suite(config.suite), config.contract)) as made:
            return pretrain_in_memory(config, made, progress, should_stop)
    collected, wanted = [], _wanted(config, environment.suite)
    for task_id, number in wanted:
        collected.append(_demonstrate_once(environment, config.seed, task_id, number))
        progress(Demonstrated(task_id, len(collected), len(wanted)))
        raise_if(should_stop)
    return _clone(config, environment.suite, environment.interface, collected, progress, should_stop)


def _wanted(config: PretrainConfig, suite: Suite) -> list[tuple[str, int]]:
    """(task, number) of each demonstration. Raises UnknownName before anything is simulated."""
    counts = {suite.task(task_id).id: count for task_id, count in config.demonstrations.items()}
    return [(task_id, n) for task_id, count in counts.items() for n in range(count)]


def _clone(
    config: PretrainConfig,
    suite: Suite,
    interface: Interface,
    collected: Sequence[Demonstration],
    progress: Report,
    should_stop: Callable[[], bool],
) -> Checkpoint:
    spec = make_spec(interface, suite, config.training.chunk)
    policy = pretrain(
        spec, collected, suite, config.training, config.seed, config.policy, progress, should_stop
    )
    raise_if(should_stop)
    tensors = hashlib.sha256()
    for name, value in sorted(policy.tensors().items()):
        tensors.update(name.encode() + np.ascontiguousarray(value).tobytes())
    # Two checkpoints that differ are told apart by their metadata, also where neither is in a file.
    info = CheckpointInfo(CHECKPOINT_ID, f"memory:{tensors.hexdigest()}", policy_name(policy), 0, 0)
    return Checkpoint(
        info, policy, cover(policy, collected, suite, config.uncertainty), config.demonstrations
    )


def make_spec(interface: Interface, suite: Suite, chunk: int) -> PolicySpec:
    """Say what a policy for this suite and contract (or its own interface) is made for; H is ``chunk``."""
    return PolicySpec(
        layout=interface.layout,
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
    """Return one demonstration per (task, number), in order, from as many processes as asked for."""
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
        return _demonstrate_once(self._environment, self._seed, task_id, number)


def _demonstrate_once(environment: Environment, seed: int, task_id: str, number: int) -> Demonstration:
    """Return a demonstration that worked. Raises DataError after some starts where none did."""
    for attempt in range(ATTEMPTS):
        start = _seed(seed, task_id, number, attempt)
        demo = demonstrate(environment, task_id, start, f"pretraining_{task_id}_{number:02d}")
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
