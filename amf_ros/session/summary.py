"""Tells what a journal says, as plain values: ``summary.json`` and every report come from here.

with Journal(run.database, read_only=True) as journal:
    print(summary(journal)["success_after"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amf_ros.core.errors import DataError
from amf_ros.core.values import Outcome
from amf_ros.session.journal import Journal, JournalEntry
from amf_ros.session.plan import Plan


def summary(journal: Journal) -> dict[str, Any]:
    """Tell of the session so far, finished or not, in values that JSON can hold.

    Returns:
        ``strategy``, ``suite``, ``seed``, ``plan``; ``rounds``: fine-tunings done; ``demonstrations``: task
        ids in the order demonstrated, failed attempts left out; ``success_before`` and ``success_after``:
        ``{successes, episodes, tasks: {id: {successes, episodes}}}`` over the target tasks, of the first and
        of the newest wholly evaluated checkpoint (``episodes`` 0 where there is none yet); ``seconds`` per
        phase; ``history``: one entry per round, round 0 first (:func:`history`); ``missed``: task ids whose
        demonstration failed in all attempts, so that the session went on without; ``stopped_early``: whether
        the stopping rule ended it.

    Raises:
        DataError: the journal holds no session yet.
    """
    plan = journal.plan
    if plan is None:
        raise DataError(f"{journal.path}: no session was started here yet; run `amf session` first")
    entries = journal.entries()
    rounds = history(journal)
    later = [
        entry["evaluation"]
        for entry in rounds[1:]
        if entry["evaluation"]["episodes"] >= len(plan.targets) * max(plan.episodes(entry["round"]), 1)
    ]
    seconds: dict[str, float] = {}
    for entry in entries:
        seconds[entry.phase] = seconds.get(entry.phase, 0.0) + entry.seconds
    return {
        "strategy": plan.strategy,
        "suite": plan.suite,
        "seed": plan.seed,
        "plan": plan.model_dump(mode="json"),
        "rounds": sum(entry["checkpoint"] is not None for entry in rounds[1:]),
        "demonstrations": [kept["task_id"] for entry in rounds for kept in entry["demonstrations"]],
        "success_before": rounds[0]["evaluation"] if rounds else _success(plan.targets, []),
        "success_after": later[-1] if later else _success(plan.targets, []),
        "seconds": {phase: round(value, 3) for phase, value in seconds.items()},
        "history": rounds,
        "missed": [task_id for entry in rounds for task_id in entry["missed"]],
        "stopped_early": plan.stop_early and not all(entry["worthwhile"] for entry in rounds),
    }


def history(journal: Journal) -> list[dict[str, Any]]:
    """Tell what happened, round by round; round 0 is the pre-trained checkpoint.

    Returns:
        Per round: ``round``; ``checkpoint`` id, or None before it is trained; ``selected`` task ids, none in
        the round that ``stop_early`` ended; ``reason``; ``scores`` (as ``amf_msgs/TaskScore``);
        ``demonstrations``, and ``failed`` attempts (``{id, task_id, seed, outcome, num_steps, duration_s}``);
        ``missed``: task ids that were chosen and failed in all attempts;
        ``loss``; ``evaluation`` as in :func:`summary`; ``worthwhile``: whether the strategy expected the
        demonstrations to be worth it.
    """
    plan = journal.plan
    by_round: dict[int, list[JournalEntry]] = {}
    for entry in journal.entries():
        by_round.setdefault(entry.round, []).append(entry)
    return [_round(number, by_round[number], plan) for number in sorted(by_round)] if plan else []


def _round(number: int, entries: Sequence[JournalEntry], plan: Plan) -> dict[str, Any]:
    named = {entry.key.split("/", 1)[1]: entry.value for entry in entries}
    attempts = [entry.value for entry in entries if entry.phase == "demonstrating"]
    selection = named.get("select", {})
    worthwhile = selection.get("worthwhile", True)  # journals older than the stopping rule do not say
    tuning = named.get("fine_tune", {})
    checkpoint = tuning.get("checkpoint") or named.get("checkpoint")
    return {
        "round": number,
        "checkpoint": checkpoint["id"] if checkpoint else None,
        "selected": selection.get("task_ids", []) if worthwhile or not plan.stop_early else [],
        "reason": selection.get("reason", ""),
        "scores": selection.get("scores", []),
        "demonstrations": [made for made in attempts if made["outcome"] != Outcome.FAILURE],
        "failed": [made for made in attempts if made["outcome"] == Outcome.FAILURE],
        "missed": _missed(selection.get("task_ids", []), named, plan),
        "loss": tuning.get("loss"),
        "evaluation": _success(
            plan.targets, [entry.value for entry in entries if entry.phase == "evaluating"]
        ),
        "worthwhile": worthwhile,
    }


def _missed(batch: Sequence[str], named: Mapping[str, Any], plan: Plan) -> list[str]:
    """List the tasks of a round's batch that failed as often as the plan allows."""
    last = plan.attempts - 1
    every = [(task_id, named.get(f"i{index}/a{last}")) for index, task_id in enumerate(batch) if plan.go_on]
    return [task_id for task_id, made in every if made and made["outcome"] == Outcome.FAILURE]


def _success(targets: Sequence[str], episodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Count successes over the target tasks; roll-outs of other candidates only served the strategy."""
    tasks = {task_id: {"successes": 0, "episodes": 0} for task_id in targets}
    for episode in episodes:
        if episode["task_id"] in tasks:
            tasks[episode["task_id"]]["episodes"] += 1
            tasks[episode["task_id"]]["successes"] += episode["outcome"] == Outcome.SUCCESS
    return {
        "successes": sum(task["successes"] for task in tasks.values()),
        "episodes": sum(task["episodes"] for task in tasks.values()),
        "tasks": tasks,
    }
