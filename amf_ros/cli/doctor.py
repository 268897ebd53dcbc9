"""``amf doctor``: is this computer ready, and is everything in the session directory sound?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.options import DEFAULT_DIRECTORY, Contract, Json, SessionDirectory, Suite, panel
from amf_ros.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

    from amf_ros.cli.checks import Check

_MARKS = {"ok": ("✓", "green"), "info": ("·", "dim"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(**panel("Look and mend", "amf doctor", "amf doctor --session-directory runs/demo --recover"))(
        doctor
    )


def doctor(
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    suite: Suite = "tabletop",
    contract: Contract = "panda_tabletop",
    recover: Annotated[
        bool, typer.Option("--recover", help="Save what cut-off recordings hold; remove stale shared memory.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this computer and a session directory; say what to do about each problem.

    Looks at ROS 2, its DDS profile and shared memory, torch, the simulator, disk space, and every
    recording and checkpoint. Exit code 1 when something must be mended.
    """
    from amf_ros.cli.checks import computer

    output = Output(as_json)
    checks = computer(recover)
    if session_directory.is_dir():
        checks += _directory(session_directory, suite, contract, recover)
    worst = "error" if any(check.severity == "error" for check in checks) else "ok"
    answer = {"verdict": worst, "checks": [check.plain() for check in checks]}
    output.answer(answer, lambda: _show(output, checks))
    if worst == "error":
        raise typer.Exit(1)


def _directory(root: Path, suite: str, contract: str, recover: bool) -> list[Check]:
    """What the store says about itself, and whether the checkpoints can be read."""
    from amf_ros.cli.checks import Check
    from amf_ros.contract import load_contract
    from amf_ros.data import doctor as store_doctor
    from amf_ros.data.demonstrations import DemonstrationStore
    from amf_ros.data.run_directory import RunDirectory
    from amf_ros.errors import AmfError
    from amf_ros.tasks.loading import allowed_policies, load_suite
    from amf_ros.training.checkpoints import list_checkpoints
    from amf_ros.training.checkpoints import load as load_checkpoint

    run = RunDirectory(root)
    store, agreed, tasks = (
        DemonstrationStore(run.demonstrations),
        load_contract(contract),
        load_suite(suite),
    )
    findings = store_doctor.recover(store) if recover else []
    findings += store_doctor.examine(store, tasks, agreed)
    checks = [Check(str(f.path), f.severity, f.problem, f.remedy) for f in findings]
    if not findings:
        checks.append(Check("demonstrations", "ok", f"{len(store.ids())} in {run.demonstrations}"))
    try:
        ids = []
        for info in list_checkpoints(run.checkpoints):
            load_checkpoint(info.uri, allowed_policies(tasks))
            ids.append(info.id)
        checks.append(Check("checkpoints", "ok", ", ".join(ids) or "none yet"))
    except AmfError as error:
        checks.append(Check("checkpoints", "error", str(error), "remove that folder, or bring back a copy"))
    return checks


def _show(output: Output, checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks if len(check.name) < 24)
    for check in checks:
        mark, style = _MARKS[check.severity]
        output.say(f"{mark} {check.name:{width}}  {check.found}", style)
        if check.remedy:
            output.say(f"  {'':{width}}  → {check.remedy}")
    problems = sum(check.severity in ("warning", "error") for check in checks)
    output.say("everything is in order" if not problems else f"{problems} to look at")
