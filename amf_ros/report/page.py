"""Facts, charts and film as one HTML file without outside references. Imports stats and this package.

write_page(facts, Path("runs/demo/report.html"), film)
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from amf_ros.core.errors import StorageError
from amf_ros.core.stats import wilson
from amf_ros.report import charts
from amf_ros.report.facts import Evaluation, Facts
from amf_ros.report.film import Film

_COLOURS = ("#3f6ad8", "#1f9d6b", "#f0a202", "#8b5fbf", "#d1495b", "#4fb3c8", "#98a2b3", "#c07a4f")


def write_page(facts: Facts, path: Path, film: Film | None = None) -> None:
    """Write the report, whole or not at all.

    Raises:
        StorageError: the disk is full or not writable.
    """
    text = render(facts, film)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise StorageError(
            f"{path}: the report cannot be written ({error.strerror}); free some space"
        ) from error


def render(facts: Facts, film: Film | None = None) -> str:
    """Return the page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amf_ros.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    first, last = facts.evaluations[0], facts.evaluations[-1]
    chosen = [name for one in facts.rounds for name in one.chosen]
    return environment.get_template("page.html.j2").render(
        facts=facts,
        film=film,
        lead=_lead(facts, len(chosen)),
        before=_success(first),
        after=_success(last),
        verdict=_verdict(_rate(first), _rate(last)),
        demonstrations=len(chosen),
        distinct=len(set(chosen)),
        total_time=duration(sum(facts.seconds.values())),
        robot_time=duration(sum(one.duration_s for one in facts.demonstrations)),
        charts=_charts(facts),
        score_note=facts.score_note,
        reasons=_reasons(facts),
        table=_table(facts),
        times=_times(facts.seconds),
    )


def duration(seconds: float) -> str:
    """``3:07 min``, or ``12 s`` below a minute."""
    return (
        f"{seconds:.0f} s"
        if seconds < 59.5
        else f"{int(round(seconds)) // 60}:{int(round(seconds)) % 60:02d} min"
    )


def _lead(facts: Facts, demonstrations: int) -> str:
    unseen = [task.id for task in facts.tasks if task.pretraining == 0]
    first, last = facts.evaluations[0], facts.evaluations[-1]
    seen = f" pre-trained on {len(facts.tasks) - len(unseen)} of {len(facts.tasks)} tasks" if unseen else ""
    return (
        f"A policy{seen} solved {_rate(first):.0%} of the evaluated episodes. {facts.strategy} chose "
        f"{demonstrations} demonstrations; after fine-tuning on them the policy solves {_rate(last):.0%}."
    )


def _charts(facts: Facts) -> Mapping[str, Markup | None]:
    scored = any(math.isfinite(value) for one in facts.rounds for value in one.scores.values())
    return {
        "curve": Markup(charts.success_curve(facts)),
        "tasks": Markup(charts.before_after(facts)),
        "choices": Markup(charts.choices(facts)),
        "learning": Markup(charts.learning_map(facts)),
        "scores": Markup(charts.score_map(facts)) if scored else None,
    }


def _success(evaluation: Evaluation) -> Mapping[str, object]:
    return {
        "rate": f"{_rate(evaluation):.0%}",
        "counts": f"{evaluation.successes} of {evaluation.episodes} episodes",
        "interval": f"95% interval {_interval(evaluation.successes, evaluation.episodes)}",
        "episodes": evaluation.episodes,
    }


def _reasons(facts: Facts) -> Sequence[Mapping[str, object]]:
    rows = []
    for one in facts.rounds:
        for i, task_id in enumerate(one.chosen):
            score = one.scores.get(task_id, math.nan)
            rows.append(
                {
                    "round": one.number,
                    "task": task_id,
                    "score": f"{score:.3g}" if math.isfinite(score) else "",
                    "reason": one.reasons.get(task_id) or (one.reason if i == 0 else ""),
                    "loss": f"{one.loss:.4f}" if i == len(one.chosen) - 1 and math.isfinite(one.loss) else "",
                }
            )
    return rows


def _table(facts: Facts) -> Sequence[Mapping[str, object]]:
    first, last = facts.evaluations[0], facts.evaluations[-1]
    chosen = [name for one in facts.rounds for name in one.chosen]
    rows = []
    for task in facts.tasks:
        if task.id not in first.tasks and task.id not in last.tasks:
            continue
        rows.append(
            {
                "task": task.id,
                "instruction": task.instruction,
                "pretraining": "?" if task.pretraining is None else task.pretraining,
                "demonstrated": chosen.count(task.id) or "",
                **_counts(first.tasks.get(task.id, (0, 0)), last.tasks.get(task.id, (0, 0))),
                "total": False,
            }
        )
    known = [task.pretraining for task in facts.tasks if task.pretraining is not None]
    totals = {"pretraining": sum(known) if known else "?", "demonstrated": len(chosen)}
    before, after = (first.successes, first.episodes), (last.successes, last.episodes)
    rows.append({"task": "all", "instruction": "", **totals, **_counts(before, after), "total": True})
    return rows


def _counts(before: tuple[int, int], after: tuple[int, int]) -> Mapping[str, str]:
    rates = [done / tried if tried else math.nan for done, tried in (before, after)]
    return {
        "before": f"{before[0]}/{before[1]}",
        "after": f"{after[0]}/{after[1]}",
        "verdict": _verdict(*rates),
        "interval": _interval(*after) if after[1] else "",
    }


def _times(seconds: Mapping[str, float]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "name": name.replace("_", " "),
            "seconds": round(value, 2),
            "text": duration(value),
            "colour": colour,
        }
        for (name, value), colour in zip(seconds.items(), itertools.cycle(_COLOURS), strict=False)
    ]


def _rate(evaluation: Evaluation) -> float:
    return evaluation.successes / evaluation.episodes if evaluation.episodes else math.nan


def _interval(successes: int, episodes: int) -> str:
    low, high = wilson(successes, episodes)
    return f"{low:.0%} to {high:.0%}"


def _verdict(before: float, after: float) -> str:
    return "good" if after > before else "bad" if after < before else ""
