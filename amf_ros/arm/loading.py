"""Arms by name: what lacks something is refused with what it lacks, before anything moves.

arm = make_arm("my_lab.arm:LabArm", RobotContext(suite, rate_hz=20.0))
"""

from __future__ import annotations

import inspect

from amf_ros.arm.protocol import Arm, RobotContext
from amf_ros.core.errors import AmfError, ConfigError, raised, shown
from amf_ros.core.plugins import load

_MEMBERS = ("joint_names", "limits", "connect", "read", "write", "hold", "close")
_HINT = "see docs/own_suite.md"


def make_arm(name: str, context: RobotContext) -> Arm:
    """Make the arm that a registered name or ``package.module:Object`` stands for.

    Raises:
        UnknownName: the short name is not registered.
        ConfigError: it cannot be imported or called with a context, lacks something, or has no limits of a
            joint.
    """
    make = load("robot", name)
    if not callable(make):
        raise ConfigError(f"robot {shown(name)} is {shown(make)}, neither a class nor a function; {_HINT}")
    try:
        inspect.signature(make).bind(context)
    except TypeError as error:
        raise ConfigError(
            f"robot {shown(name)} must be called with a RobotContext and nothing else ({error}); {_HINT}"
        ) from error
    try:
        arm: Arm = make(context)
    except AmfError:
        raise
    except Exception as error:  # code of others: told in one line, as what a user must mend
        raise ConfigError(
            f"robot {shown(name)} cannot be made: it raised {raised(error)}; {_HINT}"
        ) from error
    lacking = [member for member in _MEMBERS if not hasattr(arm, member)]
    if lacking:
        raise ConfigError(f"robot {shown(name)} lacks {', '.join(lacking)}; {_HINT}")
    unlimited = [joint for joint in arm.joint_names if joint not in arm.limits]
    if unlimited or not arm.joint_names:
        what = f"limits of joint {', '.join(unlimited)}" if unlimited else "joints"
        raise ConfigError(f"robot {shown(name)} has no {what}; {_HINT}")
    return arm
