"""What is wrong with a store, and mending it.

Imports contract, errors and the rest of data only.

    findings = recover(store) + examine(store, suite, contract)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amf_ros.contract import Contract
from amf_ros.data.demonstrations import DemonstrationStore, Tasks, files, info_of
from amf_ros.data.metadata import SUFFIX
from amf_ros.data.reading import salvage
from amf_ros.data.recovery import is_live, rescue
from amf_ros.errors import AmfError, DataError, UnknownName


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know: where, what, and what to do about it."""

    severity: Literal["info", "warning", "error"]
    path: Path
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.problem}; {self.remedy}"


def recover(store: DemonstrationStore) -> list[Finding]:
    """Clear away what dead processes left half-recorded: all that can be read goes to quarantine.

    Recordings in progress are left alone. Safe at every start, from several processes.

    Raises:
        StorageError: the disk is full or not writable; the left-overs stay where they are.
    """
    findings = []
    for staged in sorted(store.staging.glob("*" + SUFFIX)):
        if not is_live(staged):
            place, problem = rescue(staged, store.quarantine)
            findings.append(Finding("warning", place, problem, "look at it, then restore or delete it"))
    return findings


def examine(
    store: DemonstrationStore, suite: Tasks | None = None, contract: Contract | None = None
) -> list[Finding]:
    """Everything that would make a demonstration unusable, without changing anything.

    Args:
        store: to examine.
        suite: must know every task; None = not checked.
        contract: every demonstration is made into arrays by it; None = not checked.
    """
    findings = []
    for path in files(store.root):
        try:
            info = info_of(path)
            if suite is not None:
                suite.task(info.task_id)
            if contract is not None:
                store.load(info.id, contract, suite)
        except UnknownName as error:
            findings.append(Finding("error", path, str(error), "use its suite, or move it to the trash"))
        except AmfError as error:
            findings.append(Finding("error", path, str(error), "move it to the trash, or mend what it names"))
        else:
            if contract is not None and info.about.contract_hash != contract.hash:
                problem = f"recorded with contract {info.about.contract!r} ({info.about.contract_hash})"
                findings.append(Finding("info", path, problem, f"it fits {contract.name!r} as well"))
    for staged in sorted(store.staging.glob("*" + SUFFIX)):
        if is_live(staged):
            findings.append(Finding("info", staged, "is being recorded", "let it finish"))
        else:
            findings.append(
                Finding("warning", staged, "was cut off", "`amf doctor --recover` saves what it can")
            )
    for path in sorted(path for path in store.quarantine.iterdir() if path.is_file()):
        findings.append(
            Finding("info", path, _why_quarantined(path), "look at it, then restore or delete it")
        )
    return findings


def _why_quarantined(path: Path) -> str:
    try:
        contents = salvage(path)
    except DataError as error:
        return str(error)
    return contents.result.get("problem") or contents.damage or "in quarantine"
