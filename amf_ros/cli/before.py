"""What a local session goes on from: how many of its steps are from before, and with what they were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from amf_ros.cli.output import Output

if TYPE_CHECKING:
    from amf_ros.session.plan import Plan

FILE = "made_with.json"  # in the session directory


def tell_before(output: Output, plan: Plan, directory: Path, contract: str) -> None:
    """Say so where the session is there already, and more where suite, strategy or code have changed since.

    Nothing is thrown away: demonstrations are worth keeping; who wants none of them begins a new directory.

    Raises:
        AmfError: there is no such suite, or the file cannot be written.
    """
    from amf_ros.session.journal import Journal
    from amf_ros.store.files import storage_errors, write_whole
    from amf_ros.store.run_directory import RunDirectory
    from amf_ros.sweep.fingerprint import changed, of_code, of_objects, of_suite

    now = {**of_code(), **of_suite(plan.suite, contract), **of_objects(strategy=[plan.strategy])}
    run = RunDirectory(directory)
    steps = 0
    if run.database.is_file():
        with Journal(run.database, read_only=True) as journal:
            steps = len(journal.entries())
    path = run.root / FILE
    if steps:  # what is there stays what it was made with
        parts = changed(_stored(path), now)
        made = f"made with another {' and '.join(parts)}" if parts else "of the same suite and code"
        new = "; a new session directory begins anew" if parts else ""
        style = "yellow" if parts else "dim"
        output.say(f"{steps} steps of this session are from before, {made}{new}", style)
        return
    with storage_errors(path):
        write_whole(path, (json.dumps(now, indent=1) + "\n").encode())


def _stored(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # of an older version, or damaged: unlike anything
        return {}
