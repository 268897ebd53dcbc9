"""Gathers the facts of a report from a session's journal and checkpoints.

facts = gather(Path("runs/demo"))
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amf_ros.core.errors import DataError
from amf_ros.core.values import Outcome
from amf_ros.learning.checkpoint_description import parse_description
from amf_ros.report.facts import DemonstrationFacts, Evaluation, Facts, Round, TaskFacts
from amf_ros.session.journal import Journal
from amf_ros.session.summary import summary
from amf_ros.store.run_directory import RunDirectory
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import load_suite

_SHORTEST_S = 0.05
_GAIN = (
    "Information gain [nat] about the expert's actions, averaged over the target tasks, from one more "
    "demonstration of a task{}; before the first choice of the round. Framed: chosen in that round."
)
_SCORE_NOTES = {
    "amf": _GAIN.format(""),
    "amf_outcomes": _GAIN.format(", with uncertainties corrected by what the policy was seen to do"),
}


def gather(
    directory: Path,
    extra_seconds: Mapping[str, float] | None = None,
    command: str = "",
    title: str = "",
    allow: Sequence[str] = (),
) -> Facts:
    """Read a session directory.

    Args:
        directory: of the session.
        extra_seconds: phases outside the session (pre-training, ...) with their wall time [s], shown first.
        command: what to type to get the same again.
        title: of the page; empty = one that says how many demonstrations there were.
        allow: suites that the journal may name beside registered ones: importing one runs its code.

    Raises:
        NotAllowed: the journal names another suite.
        DataError: there is no session in the directory, or it has not evaluated anything yet.
        CheckpointError: its first checkpoint cannot be read.
    """
    run = RunDirectory(directory)
    with Journal(run.database, read_only=True) as journal:
        story = summary(journal)
    if not story["success_before"]["episodes"]:
        raise DataError(f"the session in {directory} has not evaluated anything yet; let it go on first")
    suite = load_suite(story["suite"], allow)
    history: Sequence[Mapping[str, Any]] = story["history"]
    rounds = [_round(entry) for entry in history if entry["selected"]]
    count = len(story["demonstrations"])
    return Facts(
        title=title or f"What {count} chosen demonstrations taught",
        suite=f"{story['suite']} suite",
        strategy=story["strategy"],
        seed=story["seed"],
        tasks=_tasks(run, suite, story),
        evaluations=_evaluations(history),
        rounds=rounds,
        demonstrations=[_demonstration(made) for entry in history for made in entry["demonstrations"]],
        seconds=_seconds({**(extra_seconds or {}), **story["seconds"]}),
        command=command,
        host=f"{os.cpu_count()} cores, Python {platform.python_version()}",
        score_note=_SCORE_NOTES.get(
            story["strategy"], "Score of the strategy for each task. Framed: chosen in that round."
        ),
        remarks=_remarks(history),
    )


def _tasks(run: RunDirectory, suite: Suite, story: Mapping[str, Any]) -> list[TaskFacts]:
    """List the tasks that the session is about, in the suite's order."""
    first = story["history"][0]["checkpoint"] if story["history"] else None
    seen = parse_description(run.checkpoints / first).pretraining if first else {}
    about = {*story["plan"]["candidates"], *story["plan"]["targets"]}
    return [
        TaskFacts(task.id, task.instruction, seen.get(task.id, 0) if seen else None)
        for task in suite.tasks
        if task.id in about
    ]


def _evaluations(history: Sequence[Mapping[str, Any]]) -> list[Evaluation]:
    """List one evaluation for each round that had one; none twice."""
    found, demonstrations = [], 0
    for entry in history:
        demonstrations += len(entry["demonstrations"])
        if entry["checkpoint"] and entry["evaluation"]["episodes"]:
            counts = {
                name: (one["successes"], one["episodes"])
                for name, one in entry["evaluation"]["tasks"].items()
                if one["episodes"]
            }
            found.append(Evaluation(entry["checkpoint"], entry["round"], demonstrations, counts))
    return found


def _round(entry: Mapping[str, Any]) -> Round:
    loss = entry["loss"]
    return Round(
        number=entry["round"],
        chosen=tuple(entry["selected"]),
        scores={s["task_id"]: s["score"] for s in entry["scores"] if s["score"] is not None},
        reasons={s["task_id"]: s["reason"] for s in entry["scores"]},
        reason=entry["reason"],
        loss=float("nan") if loss is None else loss,
    )


def _demonstration(made: Mapping[str, Any]) -> DemonstrationFacts:
    outcome = Outcome(made["outcome"]).name.lower()
    return DemonstrationFacts(made["id"], made["task_id"], outcome, made["num_steps"], made["duration_s"])


def _seconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Sort phases in the order of first need, and leave out what took no time."""
    order = ("pre-training", "starting the graph", "selecting", "demonstrating", "fine_tuning", "evaluating")
    known = [name for name in order if name in seconds]
    names = [*known, *(name for name in seconds if name not in known)]
    return {name: seconds[name] for name in names if seconds[name] >= _SHORTEST_S}


def _remarks(history: Sequence[Mapping[str, Any]]) -> list[str]:
    failed = [made["task_id"] for entry in history for made in entry["failed"]]
    if not failed:
        return []
    return [
        f"{len(failed)} demonstrations failed and were made again with another start: {', '.join(failed)}."
    ]
