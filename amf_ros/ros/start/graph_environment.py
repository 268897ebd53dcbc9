"""Environment and files that every way to start the graph shares. Imports paths only; no rclpy.

os.environ.update(graph_environment(domain_id=42))       # before rclpy.init()
"""

from __future__ import annotations

from pathlib import Path

from amf_ros.core.paths import config_directories

PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")  # Fast DDS 2 and 3


def graph_environment(domain_id: int) -> dict[str, str]:
    """Return what nodes and clients of one graph on this machine share."""
    shared = {"ROS_DOMAIN_ID": str(domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    return shared | transports()


def transports() -> dict[str, str]:
    """Environment that makes Fast DDS use the profile that ships with the package."""
    profile = find_in_config("fastdds.xml")
    return dict.fromkeys(PROFILE_VARIABLES, str(profile)) if profile else {}


def default_params() -> str:
    """Return the parameter file that ships with the package, or nothing."""
    found = find_in_config("params.yaml")
    return str(found) if found else ""


def find_in_config(name: str) -> Path | None:
    """Return a file of ``config/``, in the checkout or installed."""
    return next((folder / name for folder in config_directories() if (folder / name).is_file()), None)
