"""Run jobs that are plain data, each once: on this machine's cores, or on a Ray cluster.

    rows = run("kinematic", work, [{"strategy": "amf", "seed": 0}], Path("runs/benchmarks"))
    rows[0]["job"], rows[0]["result"], rows[0]["seconds"]

Every result is written whole (:mod:`amf_ros.sweep.result_files`) as soon as it is there; a run that was
killed anywhere makes only what is missing when it is run again, and after a change of suite or code all.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypedDict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from amf_ros.core.errors import AmfError, ConfigError, DataError
from amf_ros.store.files import check_id, storage_errors
from amf_ros.sweep.cluster import Answers, Call, Row, on_ray
from amf_ros.sweep.fingerprint import of_code, of_module
from amf_ros.sweep.result_files import failure_of, keep, path_of, plain, read, tell_before

Job = Mapping[str, Any]
Work = Callable[[dict[str, Any]], dict[str, Any]]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class How(TypedDict, total=False):
    """Keyword arguments of :func:`run`."""

    workers: int | None
    ray_address: str
    progress: bool
    fresh: bool


def run(
    name: str,
    work: Work,
    jobs: Sequence[Job],
    out: Path,
    *,
    workers: int | None = None,
    ray_address: str = "",
    progress: bool = True,
    fresh: bool = False,
) -> list[Row]:
    """Do all jobs, or take their results from an earlier run.

    A job that fails is told on stderr, its traceback is kept in ``<key>.failed.txt``, and the others go on;
    it is tried again by the next run.

    Args:
        name: of the sweep, a folder of ``out``.
        work: job -> what JSON can hold (NaN becomes null); a function at the top of a module. It must draw
            all its randomness from the job, and runs on one thread.
        jobs: plain data. Entries whose key starts with ``_`` say where or how to work, never what: a job
            that differs in nothing else is the same job. ``_made_with``: hashes of what else its result
            depends on, beside amf_ros and the module of ``work``; with others it is made again.
        out: folder of sweeps.
        workers: processes; None = one per core, 1 = in this process.
        ray_address: of a running Ray cluster, ``auto`` for the one on this machine; empty = local processes.
        progress: show a bar on stderr, or lines where that is no terminal.
        fresh: make everything again.

    Returns:
        One row per job that is done, in the order of ``jobs``: ``job``, ``result``, ``seconds`` of wall
        time [s], ``made_with``, and ``before``: whether an earlier run made it.

    Raises:
        ConfigError: a job that JSON cannot hold, or that stands twice, fewer than one worker, or Ray is
            asked for and not installed or not reachable.
        DataError: every job failed, or a stored result is damaged.
        StorageError: the disk is full or not writable.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; use 1 or more processes, or leave it out for one per core")
    folder = out / check_id("sweep", name)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    asked = [dict(job) for job in jobs]
    keys, made_with = _keys(asked), _made_with(work, asked)
    paths = [path_of(folder, key, made) for key, made in zip(keys, made_with)]
    missing = [i for i, path in enumerate(paths) if fresh or not path.is_file()]
    failures: list[tuple[int, str]] = []
    if not fresh:
        tell_before(name, paths, made_with)
    if missing:
        answers = _answers(partial(attempt, work), [asked[i] for i in missing], workers, ray_address)
        with closing(answers), _bar(name, len(asked), len(asked) - len(missing), progress) as advance:
            for number, answer in answers:
                i = missing[number]
                failed = keep(paths[i], asked[i], {**answer, "made_with": made_with[i]})
                if failed:
                    failures.append((i, failed))
                advance(failed or _brief(asked[i]))
    _tell(name, asked, failures, paths)
    fresh_ones = {paths[i] for i in missing}
    return [read(path, job, path not in fresh_ones) for path, job in zip(paths, asked) if path.is_file()]


def key_of(job: Job) -> str:
    """Name of a job's result: a hash of what it asks for.

    Raises:
        ConfigError: JSON cannot hold the job.
    """
    asked = {key: value for key, value in job.items() if not key.startswith("_")}
    try:
        text = json.dumps(asked, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"job {job}: {error}; a job is plain data: numbers, text, lists, mappings"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def attempt(work: Work, job: dict[str, Any]) -> Row:
    """Do one job on one thread: ``result`` and ``seconds``, or ``error`` (one line) and ``traceback``."""
    started = time.monotonic()
    with _one_thread():
        try:
            result = work(job)
            json.dumps(plain(result), allow_nan=False)
        except Exception as error:  # noqa: BLE001 - told at the end of the sweep, with its traceback on disk
            said = str(error) if isinstance(error, AmfError) else f"{type(error).__name__}: {error}"
            return {"error": " ".join(said.split()), "traceback": traceback.format_exc()}
    return {"result": plain(result), "seconds": time.monotonic() - started}


def _keys(jobs: Sequence[Job]) -> list[str]:
    keys: dict[str, Job] = {}
    for job in jobs:
        key = key_of(job)
        if key in keys:
            raise ConfigError(f"job {_brief(job)} stands twice; give each its own seed or name")
        keys[key] = job
    return list(keys)


def _answers(call: Call, jobs: list[dict[str, Any]], workers: int | None, ray_address: str) -> Answers:
    if ray_address:
        return on_ray(call, jobs, ray_address)
    count = min(workers or os.cpu_count() or 1, len(jobs))
    if count == 1:
        return ((i, call(job)) for i, job in enumerate(jobs))
    return _in_processes(call, jobs, count)


def _in_processes(call: Call, jobs: list[dict[str, Any]], count: int) -> Answers:
    """As they come. However the block is left, the processes end: they hold on to a pipe that we close."""
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and PyBullet's threads
    held, holder = context.Pipe(duplex=False)
    stopped = threading.Event()
    with _environment(dict.fromkeys(_THREADS, "1")), _on_interrupt(stopped, holder):
        pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(held,))
        try:
            futures = {pool.submit(call, job): i for i, job in enumerate(jobs)}
            for future in as_completed(futures):
                if stopped.is_set():
                    raise KeyboardInterrupt
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool as error:
                    said = "a worker process died (out of memory?); run again with fewer workers"
                    yield futures[future], {"error": said, "traceback": str(error)}
        finally:
            holder.close()
            pool.shutdown(cancel_futures=True)
            held.close()


@contextmanager
def _on_interrupt(stopped: threading.Event, holder: Connection) -> Iterator[None]:
    """Ctrl-C ends the workers, which wakes whoever waits for them; it is raised there.

    Raised wherever it arrives, it may leave a lock of the pool taken, and the pool then never ends.
    """

    def stop(signum: int, frame: object) -> None:
        stopped.set()
        holder.close()

    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start(held: Connection) -> None:
    """Prepare a worker process: Ctrl-C is the parent's business, and no worker outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(held,), daemon=True).start()


def _end_with_parent(held: Connection) -> None:
    held.poll(None)  # nothing is ever sent: this returns when the other end is closed
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """BLAS on one thread, torch too where it is loaded; one that is loaded later reads the environment."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    with threadpool_limits(1), _environment(dict.fromkeys(_THREADS, "1")):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _made_with(work: Work, jobs: Sequence[Job]) -> list[dict[str, str]]:
    module = getattr(work, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    name = Path(file).stem if file and module == "__main__" else module
    shared = {**of_code(), **of_module(name, Path(file) if file else None)}
    return [{**shared, **job.get("_made_with", {})} for job in jobs]


def _tell(name: str, jobs: Sequence[Job], failures: Sequence[tuple[int, str]], paths: Sequence[Path]) -> None:
    for i, said in failures:
        sys.stderr.write(f"failed: {_brief(jobs[i])}: {said} ({failure_of(paths[i])})\n")
    if failures and len(failures) == len(jobs):
        raise DataError(f"sweep {name!r}: all {len(jobs)} jobs failed, the first with: {failures[0][1]}")
    if failures:
        sys.stderr.write(f"{len(failures)} of {len(jobs)} jobs failed; run again to try only these\n")


def _brief(job: Job) -> str:
    """Return a job in one line: its short entries."""
    short = (f"{k}={v}" for k, v in job.items() if isinstance(v, (str, int, float)) and not k.startswith("_"))
    return " ".join(short)


@contextmanager
def _bar(name: str, total: int, done: int, shown: bool) -> Iterator[Callable[[str], None]]:
    """Return a bar on a terminal; elsewhere a line per job."""
    console = Console(stderr=True, highlight=False, quiet=not shown)
    if console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[detail]}", markup=True),
            console=console,
        ) as bar:
            row = bar.add_task(name, total=total, completed=done, detail="")
            yield lambda detail: bar.update(row, advance=1, detail=detail.replace("[", "(")[:60])
        return
    started, count = time.monotonic(), done

    def line(detail: str) -> None:
        nonlocal count
        count += 1
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        console.print(
            f"{minutes:3d}:{seconds:02d}  {name} {count}/{total}  {detail}", markup=False, soft_wrap=True
        )

    yield line
