"""Removes shared memory that killed processes left behind. No rclpy here.

    remove_left_behind()     # before rclpy.init(), in each node

Fast DDS takes a few megabytes of /dev/shm for each process and gives them back when it ends in good order; a
process killed with SIGKILL cannot, and hundreds of them fill it. The owner of a segment holds a lock on the
file beside it for as long as it lives, whoever and wherever it is; ``fastdds shm clean`` decides by the same.
"""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")
_PREFIXES = ("fastrtps_", "fastdds_")  # Fast DDS 2 and 3
_SETTLED_S = 30.0  # a segment is made before its lock is held


def remove_left_behind(folder: Path = FOLDER) -> int:
    """Remove the segments whose owner is dead; returns how many there were."""
    removed = 0
    now = time.time()
    for lock in (path for prefix in _PREFIXES for path in folder.glob(f"{prefix}*_el")):
        if "port" in lock.name:  # few, and used again
            continue
        with suppress(OSError):  # removed by somebody else just now, or another user's
            if now - lock.stat().st_mtime > _SETTLED_S and _is_free(lock):
                lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
                removed += 1
    return removed


def _is_free(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
