"""The folders of one session. Imports errors, paths and files only.

run = RunDirectory(Path("runs/demo"))
run.demonstrations, run.database
"""

from __future__ import annotations

from pathlib import Path

from amf_ros.core.paths import home_expanded, local_path
from amf_ros.store.files import storage_errors


class RunDirectory:
    """Says where one session keeps its data, and makes the folders that are missing.

    Attributes:
        demonstrations: one file each (:class:`~amf_ros.store.demonstrations.DemonstrationStore`).
        rollouts: visited states (:class:`~amf_ros.store.rollouts.RolloutStore`).
        checkpoints: one folder each.
        database: SQLite: plan, rounds, outcomes.

    Raises:
        ConfigError: ``root`` is no path.
        StorageError: the folders cannot be made.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = home_expanded(local_path(root, "session directory")).resolve()
        self.demonstrations = self.root / "demonstrations"
        self.rollouts = self.root / "rollouts"
        self.checkpoints = self.root / "checkpoints"
        self.database = self.root / "session.sqlite"
        with storage_errors(self.root):
            for folder in (self.demonstrations, self.rollouts, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
