"""PyBullet, without the line that it writes to stderr when a process imports it. Imports nothing of amf_ros.

from amf_ros.sim.bullet import pybullet
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any


def _quietly(name: str) -> Any:
    """Import a module with file descriptor 2 shut: the greeting comes from C, past ``sys.stderr``."""
    if name in sys.modules:
        return sys.modules[name]
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        return importlib.import_module(name)
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


pybullet: Any = _quietly("pybullet")
