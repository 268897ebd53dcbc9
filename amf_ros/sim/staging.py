"""Finds the staging of a suite: the scene and the experts that its tasks have in a simulator.

staging = load_staging(load_robot_suite("tabletop"))
robot = PyBulletArm(staging.scene())
"""

from __future__ import annotations

from amf_ros.core.errors import ConfigError, shown
from amf_ros.core.plugins import load
from amf_ros.sim.protocol import Staging
from amf_ros.tasks.base import RobotSuite

_HINT = "see docs/own_suite.md"


def load_staging(suite: RobotSuite) -> Staging:
    """Return the staging that a suite names, made for that suite; or the suite itself, where it is one.

    A suite names it in ``staging``: a registered name, or ``package.module:Object`` of something that is
    called with the suite. One without ``staging`` that has ``scene()`` and ``expert()`` is its own.

    Raises:
        UnknownName: the short name is not registered.
        ConfigError: the suite has none, it cannot be imported or called, or lacks something.
    """
    named = getattr(suite, "staging", None)
    if named is None and isinstance(suite, Staging):
        return suite
    if not isinstance(named, str) or not named:
        raise ConfigError(
            f"suite {suite.name!r}: staging is {shown(named)}, so a simulator has no scene and no expert; "
            f"name one, as 'my_lab.kitchen:KitchenStaging', or give the suite scene() and expert(); {_HINT}"
        )
    make = load("staging", named)
    if not callable(make):
        raise ConfigError(f"staging {shown(named)} is {shown(make)}, not a class or function; {_HINT}")
    staging = make(suite)
    lacking = [member for member in ("scene", "expert") if not callable(getattr(staging, member, None))]
    if lacking:
        raise ConfigError(f"staging {shown(named)} lacks {' and '.join(lacking)}; {_HINT}")
    found: Staging = staging
    return found
