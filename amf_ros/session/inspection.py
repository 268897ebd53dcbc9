"""One look at a session directory: what it holds, and what in it is of no use. Nothing is changed.

``amf status`` and ``amf doctor`` tell what is seen here. Imports learning, the store and this room.

    seen = inspect(RunDirectory(path))                                    # quick
    seen = inspect(RunDirectory(path), suite, contract, thorough=True)    # reads everything
    seen.num_demonstrations, seen.findings
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amf_ros.contract import Contract
from amf_ros.core.errors import AmfError
from amf_ros.learning.checkpoint_description import parse_description
from amf_ros.learning.checkpoint_folder import examine_checkpoints
from amf_ros.session.journal import Journal
from amf_ros.session.summary import summary
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.doctor import StoreFinding, examine, examine_rollouts
from amf_ros.store.folder import demonstration_files
from amf_ros.store.rollouts import rollout_files
from amf_ros.store.run_directory import RunDirectory
from amf_ros.store.trash import thrown_away
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import allowed_policies


@dataclass(frozen=True)
class Inspection:
    """Holds what a session directory contains.

    Attributes:
        num_demonstrations: that can be used.
        num_rollouts: that can be used.
        checkpoints: ids of those that can be used, by name.
        unfinished: ids of those whose training was stopped early.
        num_bytes: of all files, with the trash.
        num_steps: in the journal; None where there is no journal that can be read.
        story: the session so far, as :func:`amf_ros.session.summary.summary` tells it; None before it began.
        thrown_away: what is in the trash.
        findings: what a person should know, each with what to do about it.
    """

    num_demonstrations: int
    num_rollouts: int
    checkpoints: Sequence[str]
    unfinished: Sequence[str]
    num_bytes: int
    num_steps: int | None
    story: Mapping[str, Any] | None
    thrown_away: Sequence[Path]
    findings: Sequence[StoreFinding] = field(default_factory=tuple)

    @property
    def problems(self) -> list[StoreFinding]:
        """Return the findings that somebody should do something about."""
        return [finding for finding in self.findings if finding.severity != "info"]


def inspect(
    run: RunDirectory,
    suite: Suite | None = None,
    contract: Contract | None = None,
    *,
    thorough: bool = False,
) -> Inspection:
    """Look at a session directory.

    Args:
        run: the session directory.
        suite: must know the task of every demonstration; None = not checked.
        contract: must make arrays of every demonstration; None = not checked.
        thorough: read roll-outs and the weights of checkpoints too, which takes seconds where there are many.
    """
    store = DemonstrationStore(run.demonstrations)
    findings = examine(store, suite, contract)
    findings += examine_rollouts(run.rollouts, thorough)
    allow = allowed_policies(suite) if suite is not None else ()
    findings += examine_checkpoints(run.checkpoints, allow, thorough)
    num_steps, story, wrong = _journal(run.database)
    findings += wrong
    useless = {finding.path for finding in findings if finding.severity != "info"}
    checkpoints = [path for path in run.checkpoints.iterdir() if path.is_dir() and path.name[0] != "."]
    usable = sorted(path for path in checkpoints if path not in useless)
    return Inspection(
        num_demonstrations=sum(path not in useless for path in demonstration_files(run.demonstrations)),
        num_rollouts=sum(path not in useless for path in rollout_files(run.rollouts)),
        checkpoints=[path.name for path in usable],
        unfinished=[path.name for path in usable if not parse_description(path).making.finished],
        num_bytes=sum(path.stat().st_size for path in run.root.rglob("*") if path.is_file()),
        num_steps=num_steps,
        story=story,
        thrown_away=thrown_away(run),
        findings=findings,
    )


def _journal(database: Path) -> tuple[int | None, Mapping[str, Any] | None, list[StoreFinding]]:
    """Read how many steps the journal holds and its summary, and say what is wrong with it."""
    if not database.is_file():
        return None, None, []
    try:
        with Journal(database, read_only=True) as journal:
            return len(journal.entries()), summary(journal) if journal.plan else None, []
    except AmfError as error:
        aside = f"mv {shlex.quote(str(database))} {shlex.quote(f'{database}.aside')}"
        problem = str(error).removeprefix(f"{database}: ")
        return None, None, [StoreFinding("error", database, problem, f"stop the nodes, then `{aside}`")]
