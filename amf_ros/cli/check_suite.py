"""``amf check-suite``: does a suite keep its word, before anything is learned from it?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.options import Json, panel
from amf_ros.cli.output import Output
from amf_ros.core.defaults import CONTRACT

if TYPE_CHECKING:
    from amf_ros.core.config import PretrainConfig
    from amf_ros.rollout.suite_findings import Examination

_MARKS = {"ok": ("✓", "green"), "hint": ("·", "yellow"), "wrong": ("✗", "bold red")}
_BRIEF_S, _BRIEF_SEEDS = 3.0, 3


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        "check-suite",
        **panel(
            "Look and mend",
            "amf check-suite my_lab.kitchen:KitchenSuite",
            "amf check-suite tabletop --seeds 3 --task press_button",
        ),
    )(check_suite)


def check_suite(
    suite: Annotated[str, typer.Argument(help="A registered name, or package.module:Object.")],
    seeds: Annotated[int, typer.Option(min=2, help="Starts of each task.")] = 10,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Only this one; repeat it. None: all tasks.")
    ] = None,
    contract: Annotated[
        str, typer.Option("--contract", help="For a robot's suite: a name in config/contracts, or a path.")
    ] = CONTRACT,
    as_json: Json = False,
) -> None:
    """Find out what would make a suite's numbers wrong; exit code 1 where something would.

    Looks at ids, limits, embeddings and shapes; runs the experts from several starts, some of them twice and
    in a second simulator, and does nothing for an episode. Writes nothing.
    """
    from amf_ros.rollout.suite_check import examine
    from amf_ros.tasks.loading import load_suite

    output = Output(as_json)
    found = load_suite(suite)
    with output.working(f"trying {len(task or found.tasks)} tasks from {seeds} starts each"):
        made = examine(found, contract, seeds=seeds, task_ids=task or ())
    answer = {
        "suite": suite,
        "verdict": "wrong" if made.wrong else "ok",
        "findings": [vars(finding) for finding in made.findings],
        "tasks": [vars(one) for one in made.tasks],
    }
    output.answer(answer, lambda: _show(output, made))
    if made.wrong:
        raise typer.Exit(1)


def check_briefly(output: Output, config: PretrainConfig, folder: Path) -> None:
    """Check a suite of one's own in seconds, before it is used; not again for the same suite and code.

    Raises:
        ConfigError: naming what would make numbers wrong.
    """
    from amf_ros.core.errors import ConfigError
    from amf_ros.rollout.suite_check import examine
    from amf_ros.store.files import storage_errors, write_whole
    from amf_ros.sweep.fingerprint import of_code, of_config, short
    from amf_ros.tasks.loading import load_suite

    if ":" not in config.suite:
        return  # ours have tests
    path = folder / "suite_checks" / f"{short({**of_code(), **of_config(config)})}.json"
    if path.is_file():
        return
    known = [task_id for task_id, count in config.demonstrations.items() if count]
    found = load_suite(config.suite)
    order = [*known, *(task.id for task in found.tasks if task.id not in known)]
    made = examine(found, config.contract, seeds=_BRIEF_SEEDS, task_ids=order, within_s=_BRIEF_S)
    if made.wrong:
        first = made.wrong[0]
        raise ConfigError(
            f"suite {config.suite!r} would give wrong numbers: {first.what}: {first.found}; "
            f"`amf check-suite {config.suite}` says more"
        )
    for finding in made.findings:
        if finding.severity == "hint":
            output.say(f"check-suite: {finding.what}: {finding.found}", "yellow")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        findings = [vars(finding) for finding in made.findings]
        write_whole(
            path, (json.dumps({"suite": config.suite, "findings": findings}, indent=1) + "\n").encode()
        )


def _show(output: Output, made: Examination) -> None:
    output.table(
        "",
        ("task", "> expert [95%]", "> steps", "> limit"),
        [(one.task_id, one.rate, _range(one.steps), one.limit) for one in made.tasks if one.seeds],
    )
    width = max(len(finding.what) for finding in made.findings)
    for finding in made.findings:
        mark, style = _MARKS[finding.severity]
        output.say(f"{mark} {finding.what:{width}}  {finding.found}", style)
    wrong = len(made.wrong)
    output.say(f"{wrong} to mend: numbers would be wrong" if wrong else "nothing would make numbers wrong")


def _range(steps: list[int]) -> str:
    return f"{min(steps)}" if min(steps) == max(steps) else f"{min(steps)}–{max(steps)}"
