"""A ROS domain that no other program on this machine uses.

domain = Domain()
os.environ["ROS_DOMAIN_ID"] = str(domain.id)
domain.release()
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from amf_ros.core.errors import ConfigError

_DOMAINS = range(10, 102)  # above 101 the DDS ports run into Linux' ephemeral ones


class Domain:
    """Holds a free ROS domain for as long as this object lives."""

    def __init__(self, domain_id: int | None = None) -> None:
        self._lock: IO[bytes] | None = None
        self.id = domain_id if domain_id is not None else self._pick()

    def _pick(self) -> int:
        used = _udp_ports()
        start = os.getpid() % len(_DOMAINS)
        for domain_id in (*_DOMAINS[start:], *_DOMAINS[:start]):
            first_port = 7400 + 250 * domain_id
            if any(first_port <= port < first_port + 250 for port in used):
                continue
            lock = (Path(tempfile.gettempdir()) / f"amf_ros_domain_{domain_id}.lock").open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            self._lock = lock
            return domain_id
        raise ConfigError("no free ROS domain on this machine: set ROS_DOMAIN_ID, or stop other ROS programs")

    def release(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _udp_ports() -> set[int]:
    ports = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        if Path(table).is_file():
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                ports.add(int(line.split()[1].rpartition(":")[2], 16))
    return ports
