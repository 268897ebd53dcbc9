"""Is this computer ready? One function per thing that may be wrong, each with what to do about it.

for check in computer(clean=False):
print(check.severity, check.name, check.found, check.remedy)
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from amf_ros.cli.ros_present import missing_ros
from amf_ros.ros.start.graph_environment import PROFILE_VARIABLES

_NEEDED_GB = 1.0  # of disk for a session with its recordings and checkpoints
_SHARED_MEMORY = Path("/dev/shm")
_LIBRARIES = (
    "numpy",
    "scipy",
    "torch",
    "pybullet",
    "safetensors",
    "pydantic",
    "mcap",
    "matplotlib",
    "jinja2",
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    severity: Literal["ok", "info", "warning", "error"]
    found: str
    remedy: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def computer(clean: bool) -> list[Check]:
    """Make all checks of this computer; ``clean`` removes shared memory that no process uses."""
    looks: tuple[Callable[[], Check], ...] = (
        _python,
        _ros,
        _domain,
        _dds_profile,
        _libraries,
        _processors,
        _disk,
    )
    return [look() for look in looks] + [_shared_memory(clean)]


def _python() -> Check:
    return Check("Python", "ok", f"{platform.python_version()} at {sys.executable}")


def _ros() -> Check:
    problem = missing_ros()
    if problem:
        return Check("ROS 2", "error", "not found", problem)
    where = str(Path(importlib.import_module("rclpy").__file__ or "").parents[1])
    return Check("ROS 2", "ok", f"{os.environ.get('ROS_DISTRO', 'jazzy, from wheels')}: rclpy in {where}")


def _domain() -> Check:
    text = os.environ.get("ROS_DOMAIN_ID", "0")
    if not text.isdigit() or int(text) > 232:
        remedy = "unset it, or take a number from 0 to 101"
        return Check("ROS_DOMAIN_ID", "error", f"{text!r} is not a number from 0 to 232", remedy)
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    return Check("ROS_DOMAIN_ID", "ok", f"{text}, discovery range {reach}")


def _dds_profile() -> Check:
    name = next((one for one in PROFILE_VARIABLES if one in os.environ), PROFILE_VARIABLES[0])
    profile = os.environ.get(name)
    if profile is None:
        found = "not set in this shell; `amf up` and `amf demo` bring their own for pictures"
        return Check("DDS profile", "info", found)
    if not Path(profile).is_file():
        return Check("DDS profile", "error", f"{name}={profile} is not a file", f"correct or unset {name}")
    return Check("DDS profile", "ok", profile)


def _libraries() -> Check:
    versions, missing = [], []
    for name in _LIBRARIES:
        try:
            module = importlib.import_module("amf_ros.sim.bullet" if name == "pybullet" else name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
        else:
            version = getattr(module, "__version__", "")
            versions.append(f"{name} {version}".strip())
    if missing:
        return Check("libraries", "error", f"cannot import {', '.join(missing)}", "run `make setup`")
    return Check("libraries", "ok", ", ".join(versions))


def _processors() -> Check:
    import torch

    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (none is needed)"
    return Check("processors", "ok", f"{os.cpu_count()} cores, {cuda}")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free:.1f} GB free in {Path.cwd()}"
    if free < _NEEDED_GB:
        return Check("disk", "error", found, f"free some space: a session needs about {_NEEDED_GB:g} GB")
    return Check("disk", "ok", found)


def _shared_memory(clean: bool) -> Check:
    """Segments that killed ROS processes left; Fast DDS names them ``fastrtps_*``."""
    if not _SHARED_MEMORY.is_dir():
        return Check("shared memory", "info", f"no {_SHARED_MEMORY} here")
    stale = _unused(list(_SHARED_MEMORY.glob("*fastrtps_*")))
    size = sum(path.stat().st_size for path in stale) / 1e6
    if stale and clean:
        for path in stale:
            path.unlink(missing_ok=True)
        return Check(
            "shared memory", "ok", f"removed {len(stale)} segments that no process used ({size:.0f} MB)"
        )
    if stale:
        found = f"{len(stale)} segments of dead ROS processes ({size:.0f} MB)"
        return Check("shared memory", "warning", found, "`amf doctor --recover` removes them")
    return Check("shared memory", "ok", "no left-overs of dead ROS processes")


def _unused(segments: list[Path]) -> list[Path]:
    """Return those that no process maps; without the right to look into others' processes, none."""
    import psutil

    used: set[str] = set()
    for process in psutil.process_iter():
        try:
            used |= {entry.path for entry in process.memory_maps()}
            used |= {entry.path for entry in process.open_files()}
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            return []
    return [path for path in segments if str(path) not in used]
