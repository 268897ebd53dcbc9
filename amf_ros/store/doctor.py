"""What in a session directory is of no use, each with what to do about it; and mending what was cut off.

Imports contract, errors and the rest of the store only.

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
from amf_ros.store.rollouts import SUFFIX, read_rollout, rollout_files


@dataclass(frozen=True)
class StoreFinding:
    """Tells a person of one thing in a session directory: where, what, and what to do about it."""

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
    """List everything that would make a demonstration unusable, without changing anything.

    Args:
        store: to examine.
        suite: must know every task; None = not checked.
        contract: every demonstration is made into arrays by it; None = not checked.
    """
    findings = []
    for path in demonstration_files(store.root):
        findings += _examine_one(store, path, suite, contract)
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


def _examine_one(
    store: DemonstrationStore, path: Path, suite: Tasks | None, contract: Contract | None
) -> list[StoreFinding]:
    try:
        check_named(path)
        info = format_of(path).read_info(path)
        if suite is not None:
            suite.task(info.task_id)
        if contract is not None:
            store.load(info.id, contract, suite)
    except ForeignFile as error:
        return [stray(path, problem_of(error, path))]
    except UnknownName as error:
        return [StoreFinding("error", path, str(error), f"use its suite, or {to_trash(path)}")]
    except AmfError as error:
        return [StoreFinding("error", path, problem_of(error, path), to_trash(path))]
    if contract is None or info.about.contract_hash == contract.hash:
        return []
    problem = f"recorded with contract {info.about.contract!r} ({info.about.contract_hash})"
    return [StoreFinding("info", path, problem, f"it fits {contract.name!r} as well")]


def examine_rollouts(root: Path, read: bool = True) -> list[StoreFinding]:
    """List everything in a folder of roll-outs that is of no use, without changing anything.

    Args:
        root: the folder.
        read: whether to read each of them; there may be thousands.
    """
    findings = strays(root, (SUFFIX,))
    for path in rollout_files(root) if read else ():
        try:
            read_rollout(path)
        except ForeignFile as error:
            findings.append(stray(path, problem_of(error, path)))
        except DataError as error:
            findings.append(StoreFinding("error", path, problem_of(error, path), to_trash(path)))
    return findings


def strays(folder: Path, suffixes: tuple[str, ...] | None) -> list[StoreFinding]:
    """List what lies in a folder and cannot be of it by its name; ``suffixes`` None: it holds folders."""
    found = []
    for path in sorted(folder.iterdir()):
        ours = path.is_dir() if suffixes is None else path.suffix in suffixes
        ours = ours and not path.name.startswith(".")
        if not ours and path.name != "quarantine" and (path.name[0] != "." or path.name[:2] == "._"):
            found.append(stray(path, "made by macOS" if path.name[:2] == "._" else "not of this folder"))
    return found


def stray(path: Path, problem: str) -> StoreFinding:
    """Tell of something that is not of the store, and is left alone."""
    return StoreFinding("warning", path, problem, f"left alone; {to_trash(path)}")


def _to_store(path: Path) -> str:
    return f"`amf doctor --restore {quote(path.stem)}` takes it into the store, or {to_trash(path)}"


def to_trash(path: Path) -> str:
    """Say what to type to have a file or folder out of the way."""
    return f"`amf doctor --trash {quote(path.name)}` moves it to the trash"


def problem_of(error: AmfError, path: Path) -> str:
    """Return what an error says, without the path and without the advice to come here."""
    said = str(error).removeprefix(f"demonstration {path.stem!r}: ").removeprefix(f"{path}: ")
    return said.removesuffix(f"; {DOCTOR}").removesuffix("; move it to the trash")


def _why_quarantined(path: Path) -> str:
    try:
        contents = salvage(path)
    except DataError as error:
        return str(error)
    return contents.result.get("problem") or contents.damage or "in quarantine"
