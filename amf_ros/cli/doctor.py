"""``amf doctor`` says whether this computer is ready, and everything in the session directory is sound."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.options import DEFAULT_DIRECTORY, Contract, Json, SessionDirectory, Suite, panel
from amf_ros.cli.output import Output
from amf_ros.core.defaults import CONTRACT, SUITE
from amf_ros.core.errors import listed

if TYPE_CHECKING:
    from pathlib import Path

    from amf_ros.cli.checks import Check

_MARKS = {"ok": ("✓", "green"), "info": ("·", "dim"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "Look and mend",
            "amf doctor",
            "amf doctor --session-directory runs/demo --recover",
            "amf doctor --trash round_0003 --trash 'one (copy).mcap'",
            "amf doctor --restore round_0003",
        )
    )(doctor)


def doctor(
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    suite: Suite = SUITE,
    contract: Contract = CONTRACT,
    recover: Annotated[
        bool, typer.Option("--recover", help="Save what cut-off recordings hold; remove stale shared memory.")
    ] = False,
    trash: Annotated[
        list[str] | None,
        typer.Option("--trash", help="Move this id or file out of the way; may be given several times."),
    ] = None,
    restore: Annotated[
        list[str] | None,
        typer.Option("--restore", help="Bring this back from the trash or from quarantine; likewise."),
    ] = None,
    empty_trash: Annotated[
        bool, typer.Option("--empty-trash", help="Delete for good what is in the trash.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this computer and a session directory; say what to do about each problem.

    Looks at ROS 2, its DDS profile and shared memory, torch, the simulator, disk space, and every
    recording, roll-out and checkpoint. Exit code 1 when something must be mended. The trash lies in the
    session directory; what is moved there can be brought back, and the nodes may run meanwhile.
    """
    from amf_ros.cli.checks import computer
    from amf_ros.core.errors import DataError

    output = Output(as_json)
    if (trash or restore or empty_trash) and not session_directory.is_dir():
        raise DataError(f"no session directory {session_directory}; name another with --session-directory")
    done = _moved(session_directory, contract, trash or [], restore or [], empty_trash)
    checks = computer(recover) + done
    if session_directory.is_dir():
        checks += _directory(session_directory, suite, contract, recover)
    worst = "error" if any(check.severity == "error" for check in checks) else "ok"
    answer = {"verdict": worst, "checks": [check.plain() for check in checks]}
    output.answer(answer, lambda: _show(output, checks))
    if worst == "error":
        raise typer.Exit(1)


def _moved(root: Path, contract: str, trash: list[str], restore: list[str], empty: bool) -> list[Check]:
    """Do what was asked for, one after another, and return what was done."""
    from amf_ros.cli.checks import Check
    from amf_ros.contract import load_contract
    from amf_ros.store import trash as bin_
    from amf_ros.store.run_directory import RunDirectory

    if not (trash or restore or empty):
        return []
    run, done = RunDirectory(root), []
    for name in trash:
        place = bin_.trash(run, name)
        remedy = _here(f"`amf doctor --restore {shlex.quote(place.stem)}` brings it back", root)
        done.append(Check(name, "ok", f"moved to {place}", remedy))
    for name in restore:
        done.append(Check(name, "ok", f"moved to {bin_.restore(run, name, load_contract(contract))}"))
    if empty:
        gone = bin_.empty(run)
        done.append(Check("trash", "ok", f"deleted {len(gone)}: {listed(path.name for path in gone)}"))
    return done


def _directory(root: Path, suite: str, contract: str, recover: bool) -> list[Check]:
    """List what is in a session directory, and what is of no use in it with what to do about it."""
    from amf_ros.cli.checks import Check
    from amf_ros.contract import load_contract
    from amf_ros.session.inspection import inspect
    from amf_ros.store import doctor as store_doctor
    from amf_ros.store.demonstrations import DemonstrationStore
    from amf_ros.store.run_directory import RunDirectory
    from amf_ros.tasks.loading import load_suite

    run = RunDirectory(root)
    findings = store_doctor.recover(DemonstrationStore(run.demonstrations)) if recover else []
    seen = inspect(run, load_suite(suite), load_contract(contract), thorough=True)
    findings += seen.findings
    checks = [
        Check("demonstrations", "ok", f"{seen.num_demonstrations} in {run.demonstrations}"),
        Check("roll-outs", "ok", f"{seen.num_rollouts} in {run.rollouts}"),
        Check("checkpoints", "ok", ", ".join(seen.checkpoints) or "none yet"),
    ]
    if seen.num_steps is not None:
        checks.append(Check("journal", "ok", f"{seen.num_steps} steps" if seen.story else "no plan yet"))
    for found in findings:
        name = "journal" if found.path == run.database else str(found.path)
        checks.append(Check(name, found.severity, found.problem, _here(found.remedy, root)))
    if seen.thrown_away:
        names = listed(path.name for path in seen.thrown_away)
        remedy = (
            "`amf doctor --restore NAME` brings one back, `amf doctor --empty-trash` deletes them for good"
        )
        checks.append(Check("trash", "info", f"{len(seen.thrown_away)}: {names}", _here(remedy, root)))
    return checks


def _here(remedy: str, root: Path) -> str:
    """Return the same command for a session directory that is not the usual one."""
    if root == DEFAULT_DIRECTORY:
        return remedy
    return remedy.replace("`amf doctor ", f"`amf doctor -d {shlex.quote(str(root))} ")


def _show(output: Output, checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks if len(check.name) < 24)
    for check in checks:
        mark, style = _MARKS[check.severity]
        output.say(f"{mark} {check.name:{width}}  {check.found}", style)
        if check.remedy:
            output.say(f"  {'':{width}}  → {check.remedy}")
    problems = sum(check.severity in ("warning", "error") for check in checks)
    output.say("everything is in order" if not problems else f"{problems} to look at")
