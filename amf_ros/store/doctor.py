"""What is wrong with a store, and mending it.

Imports contract, errors and the rest of data only.

    findings = recover(store) + examine(store, suite, contract)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Literal

from amf_ros.contract import Contract
from amf_ros.core.errors import AmfError, DataError, ForeignFile, UnknownName
from amf_ros.store.demonstrations import DemonstrationStore, Tasks
from amf_ros.store.folder import check_named, demonstration_files, format_of, suffixes
from amf_ros.store.mcap_format import MCAP
from amf_ros.store.reading import DOCTOR, salvage
from amf_ros.store.recovery import is_live, rescue
from amf_ros.store.rollouts import SUFFIX, read_rollout


@dataclass(frozen=True)
class StoreFinding:
    """One thing that a person should know: where, what, and what to do about it."""

    severity: Literal["info", "warning", "error"]
    path: Path
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.problem}; {self.remedy}"


def recover(store: DemonstrationStore) -> list[StoreFinding]:
    """Clear away what dead processes left half-recorded: all that can be read goes to quarantine.

    Recordings in progress are left alone. Safe at every start, from several processes.

    Raises:
        StorageError: the disk is full or not writable; the left-overs stay where they are.
    """
    findings = []
    for staged in sorted(store.staging.glob("*" + MCAP.suffix)):
        if not is_live(staged):
            place, problem = rescue(staged, store.quarantine)
            findings.append(StoreFinding("warning", place, problem, _to_store(place)))
    return findings


def examine(
    store: DemonstrationStore, suite: Tasks | None = None, contract: Contract | None = None
) -> list[StoreFinding]:
    """Everything that would make a demonstration unusable, without changing anything.

    Args:
        store: to examine.
        suite: must know every task; None = not checked.
        contract: every demonstration is made into arrays by it; None = not checked.
    """
    findings = []
    for path in demonstration_files(store.root):
        try:
            check_named(path)
            info = format_of(path).read_info(path)
            if suite is not None:
                suite.task(info.task_id)
            if contract is not None:
                store.load(info.id, contract, suite)
        except ForeignFile as error:
            findings.append(_stray(path, problem_of(error, path)))
        except UnknownName as error:
            findings.append(StoreFinding("error", path, str(error), f"use its suite, or {to_trash(path)}"))
        except AmfError as error:
            findings.append(StoreFinding("error", path, problem_of(error, path), to_trash(path)))
        else:
            if contract is not None and info.about.contract_hash != contract.hash:
                problem = f"recorded with contract {info.about.contract!r} ({info.about.contract_hash})"
                findings.append(StoreFinding("info", path, problem, f"it fits {contract.name!r} as well"))
    findings += strays(store.root, suffixes())
    for staged in sorted(store.staging.glob("*" + MCAP.suffix)):
        if is_live(staged):
            findings.append(StoreFinding("info", staged, "is being recorded", "let it finish"))
        else:
            findings.append(
                StoreFinding("warning", staged, "was cut off", "`amf doctor --recover` saves what it can")
            )
    for path in sorted(path for path in store.quarantine.iterdir() if path.is_file()):
        findings.append(StoreFinding("info", path, _why_quarantined(path), _to_store(path)))
    return findings


def examine_rollouts(root: Path) -> list[StoreFinding]:
    """Everything in a folder of roll-outs that is of no use, without changing anything."""
    findings = strays(root, (SUFFIX,))
    for path in sorted(root.glob("[!.]*" + SUFFIX)):
        try:
            read_rollout(path)
        except ForeignFile as error:
            findings.append(_stray(path, problem_of(error, path)))
        except DataError as error:
            findings.append(StoreFinding("error", path, problem_of(error, path), to_trash(path)))
    return findings


def strays(folder: Path, suffixes: tuple[str, ...] | None) -> list[StoreFinding]:
    """What lies in a folder and cannot be of it by its name; ``suffixes`` None: it holds folders."""
    found = []
    for path in sorted(folder.iterdir()):
        ours = path.is_dir() if suffixes is None else path.suffix in suffixes
        ours = ours and not path.name.startswith(".")
        if not ours and path.name != "quarantine" and (path.name[0] != "." or path.name[:2] == "._"):
            found.append(_stray(path, "made by macOS" if path.name[:2] == "._" else "not of this folder"))
    return found


def _stray(path: Path, problem: str) -> StoreFinding:
    return StoreFinding("warning", path, problem, f"left alone; {to_trash(path)}")


def _to_store(path: Path) -> str:
    return f"`amf doctor --restore {quote(path.stem)}` takes it into the store, or {to_trash(path)}"


def to_trash(path: Path) -> str:
    """What to type to have it out of the way."""
    return f"`amf doctor --trash {quote(path.name)}` moves it to the trash"


def problem_of(error: AmfError, path: Path) -> str:
    """What an error says, without the path and without the advice to come here."""
    said = str(error).removeprefix(f"demonstration {path.stem!r}: ").removeprefix(f"{path}: ")
    return said.removesuffix(f"; {DOCTOR}").removesuffix("; move it to the trash")


def _why_quarantined(path: Path) -> str:
    try:
        contents = salvage(path)
    except DataError as error:
        return str(error)
    return contents.result.get("problem") or contents.damage or "in quarantine"
