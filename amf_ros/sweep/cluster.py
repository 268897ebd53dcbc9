"""The jobs of a sweep on a Ray cluster. Ray is optional: only ``--ray`` imports it.

    for number, row in on_ray(call, jobs, "auto"):
        ...

Results come back to this process, which writes them: the nodes need the package, and no shared folder
beyond what ``work`` itself reads.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from typing import Any

from amf_ros.core.errors import ConfigError

Row = dict[str, Any]
Call = Callable[[dict[str, Any]], Row]  # raises nothing: a row has an ``error`` where a job failed
Answers = Generator[tuple[int, Row], None, None]  # number of a job, and its row


def on_ray(call: Call, jobs: list[dict[str, Any]], address: str) -> Answers:
    """Yield results as they come, one core per job; what still runs when the block is left is cancelled.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at ``address``.
    """
    ray = _connected(address)
    waiting: dict[Any, int] = {}
    try:
        task = ray.remote(num_cpus=1, max_retries=0)(lambda job: call(job))
        waiting.update({task.remote(job): i for i, job in enumerate(jobs)})
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            number = waiting.pop(ready)
            try:
                yield number, ray.get(ready)
            except ray.exceptions.RayError as error:  # the node died, or lacks a module
                said = str(error).strip().splitlines()[-1]
                yield number, {"error": f"on the cluster: {said}", "traceback": str(error)}
    finally:
        for left in waiting:
            ray.cancel(left, force=True)
        ray.shutdown()


def _connected(address: str) -> Any:
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Ray is not installed; run `pip install -r requirements/benchmarks.txt`, or leave out --ray"
        ) from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} ({str(error).splitlines()[0]}); start one with `ray start --head`"
        ) from error
    return ray
