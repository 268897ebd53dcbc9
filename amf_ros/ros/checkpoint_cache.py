"""The checkpoint that a node works with: read once, checked against the running contract and suite.

cache = CheckpointCache(run.checkpoints, contract, suite)
checkpoint = cache.newest()
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from amf_ros.contract import Contract
from amf_ros.core.errors import NoCheckpoint
from amf_ros.core.values import CheckpointInfo
from amf_ros.learning.checkpoints import Checkpoint, check_fits, describe, load, newest
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import allowed_policies


class CheckpointCache:
    """Remembers one checkpoint; another one, or a new version of it, is read when asked for.

    Args:
        root: folder of checkpoints.
        contract: that runs here.
        suite: that runs here; policies that it vouches for may be loaded.
        allow: further ``package.module:Class`` of policies that may be; registered ones always.
    """

    def __init__(self, root: Path, contract: Contract, suite: Suite, allow: Iterable[str] = ()) -> None:
        self._root, self._contract, self._suite = root, contract, suite
        self._allow = (*allow, *allowed_policies(suite))
        self.current: Checkpoint | None = None

    @property
    def info(self) -> CheckpointInfo | None:
        """Of the remembered one."""
        return self.current.info if self.current is not None else None

    def newest(self) -> Checkpoint:
        """The newest of the session directory.

        Raises:
            NoCheckpoint: there is none.
            CheckpointError: it cannot be used here.
        """
        found = newest(self._root)
        if found is None:
            raise NoCheckpoint(f"no checkpoint in {self._root}: put one there that 'amf pretrain' made")
        return self.load(found.uri)

    def load(self, uri: str) -> Checkpoint:
        """One by path or URI; the remembered one stays when this fails.

        Raises:
            CheckpointError: it is unreadable, or made for other observations, actions or tasks.
        """
        if self.current is None or self.current.info != describe(uri):
            checkpoint = load(uri, self._allow)
            check_fits(checkpoint, self._contract, self._suite)
            self.current = checkpoint
        return self.current
