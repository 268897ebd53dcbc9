"""The robot file: what one arm is called on the wire, and how far and how fast it may move. No ROS.

Each key, default and range stands here once; ``config/robots/`` holds the files that ship.

    robot = load_robot_file("ur5e")            # a name in config/robots, or a path
    robot.joints                               # in the policy's order, the gripper last
    robot.joint_limits["elbow_joint"].velocity
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from amf_ros.arm.protocol import JointLimit
from amf_ros.core.config import Model, load_yaml
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import find_config

Name = Annotated[str, Field(min_length=1, max_length=200)]
TRAJECTORY = "joint_trajectory"
ONE_GOAL = 1e3  # strokes per second, so that an action's goal is the whole way
ACTIONS = ("gripper_command", "parallel_gripper_command")


class LimitSpec(Model):
    """How far and how fast one joint may move: no more than the URDF says."""

    lower: float = Field(description="[rad or m]")
    upper: float = Field(description="[rad or m]")
    velocity: float = Field(gt=0, description="the URDF's, before velocity_scale [rad/s or m/s]")
    acceleration: float | None = Field(
        None, gt=0, description="of the targets; none where it is not known [rad/s^2 or m/s^2]"
    )
    effort: float = Field(0.0, ge=0, description="for the record; nothing here bounds it [N m or N]")
    following_error: float | None = Field(
        None, gt=0, description="targets stay this close to the measured joint [rad or m]"
    )

    @model_validator(mode="after")
    def _in_order(self) -> LimitSpec:
        if not self.lower < self.upper:
            raise ValueError(f"lower must be below upper, got {self.lower:g} and {self.upper:g}")
        return self


class ChannelSpec(Model):
    """The controller that moves the arm's joints."""

    controller: Name = Field(description="its name in the controller manager")
    kind: Literal["joint_trajectory", "forward_position"] = Field(
        "joint_trajectory", description="joint_trajectory_controller, or a controller of bare numbers"
    )
    topic: str = Field("", description="of its commands; empty = <controller>/joint_trajectory or /commands")
    joints: tuple[Name, ...] = Field(
        (), description="in the controller's own order, which counts for bare numbers; empty = as above"
    )
    stamp: Literal["now", "zero"] = Field(
        "now", description="of commands: now on the clock of the arm's states, or 0 (at arrival)"
    )
    interpolate_from_desired_state: bool = Field(
        False, description="what the controller's parameter of that name says: the mock does as it does"
    )

    @property
    def address(self) -> str:
        """The topic of its commands."""
        return (
            self.topic or f"{self.controller}/{'joint_trajectory' if self.kind == TRAJECTORY else 'commands'}"
        )


class GripperSpec(Model):
    """How the gripper is driven; its joint is the last of ``joints``."""

    kind: Literal[
        "joint", "joint_trajectory", "forward_position", "gripper_command", "parallel_gripper_command"
    ] = Field(description="a joint of the arm's controller, a controller of its own, or an action")
    controller: str = Field("", description="in the controller manager; empty for kind joint")
    topic: str = Field("", description="of its commands, or the action's name; empty = by the controller")
    open: float = Field(description="its joint where it is open [rad or m]")
    closed: float = Field(description="its joint where it is closed [rad or m]")
    max_effort: float = Field(0.0, ge=0, description="of an action's goals [N]")
    command_scale: float = Field(
        1.0, gt=0, description="a command is this times the joint: 2 where it is the full width"
    )
    hysteresis: float = Field(
        0.1, gt=0, lt=1, description="an action is sent when the target moved by this share of the stroke"
    )
    managed: bool = Field(True, description="whether the controller manager lists it; false for a node")

    @model_validator(mode="after")
    def _has_controller(self) -> GripperSpec:
        if self.kind != "joint" and not self.controller:
            raise ValueError(f"controller is needed for kind {self.kind}; name it, or take kind joint")
        if self.open == self.closed:
            raise ValueError("open and closed must differ")
        if self.command_scale != 1.0 and self.kind in ("joint", TRAJECTORY):
            raise ValueError(f"command_scale is for numbers and actions; a {self.kind} is commanded as it is")
        return self

    @property
    def address(self) -> str:
        """The topic of its commands, or the action's name; empty for kind joint."""
        ends = {TRAJECTORY: "joint_trajectory", "forward_position": "commands"}
        return self.topic or (
            f"{self.controller}/{ends.get(self.kind, 'gripper_cmd')}" if self.controller else ""
        )


class StateSpec(Model):
    """One topic of joint states."""

    topic: Name = "joint_states"
    joints: tuple[Name, ...] = Field(
        (), description="whose states come here; empty = all not named elsewhere"
    )
    max_age_ms: float = Field(100.0, gt=0, le=10_000, description="older ones are no state to act upon [ms]")


class SafetySpec(Model):
    """A topic that says whether the arm may move."""

    topic: Name
    type: Name = Field("std_msgs/msg/Bool", description="ROS type")
    field: Name = Field("data", description="of the message")
    may_move: tuple[bool | int | str, ...] = Field(min_length=1, description="values with which it may")
    meaning: str = Field("", description="what is wrong otherwise, and what to do, for the person beside it")
    latched: bool = Field(True, description="whether its publisher keeps the last word for late readers")
    max_age_ms: float = Field(
        1000.0, gt=0, le=60_000, description="one that is not latched is repeated at least so often [ms]"
    )
    optional: bool = Field(False, description="left out, and said so, where its ROS type is not installed")


class UrdfSpec(Model):
    """Where the arm's description comes from; limits here are checked against it."""

    topic: str = Field(
        "robot_description", description="latched std_msgs/String; empty = it is not looked at"
    )


class RobotFile(Model):
    """The whole file."""

    robot_format: Literal["amf_robot/1"] = Field(alias="schema", description="format of the file")
    name: Name
    contract: str = Field("", description="what its policies see, where launch names no contract")
    joints: tuple[Name, ...] = Field(min_length=1, description="in the policy's order, the gripper last")
    arm: ChannelSpec
    gripper: GripperSpec | None = None
    states: tuple[StateSpec, ...] = Field((StateSpec(),), min_length=1)
    limits: dict[Name, LimitSpec]
    home: dict[Name, float] = Field(default_factory=dict, description="where the mock begins [rad or m]")
    velocity_scale: float = Field(0.25, gt=0, le=1, description="share of the velocity limits that is used")
    safety: tuple[SafetySpec, ...] = ()
    controller_manager: str = Field("controller_manager", description="its node; empty = there is none")
    urdf: UrdfSpec = UrdfSpec()

    @model_validator(mode="after")
    def _fits_together(self) -> RobotFile:
        joints = set(self.joints)
        if len(joints) != len(self.joints):
            raise ValueError("joints lists one of them twice")
        for what, named in (
            ("limits", set(self.limits)),
            ("home", set(self.home)),
            *(("states", set(state.joints)) for state in self.states),
            ("arm.joints", set(self.arm.joints)),
        ):
            if named - joints:
                raise ValueError(f"{what} names {sorted(named - joints)[0]!r}, which is not among joints")
        if joints - set(self.limits):
            raise ValueError(f"limits lacks {sorted(joints - set(self.limits))[0]!r}; each joint needs some")
        if self.arm.joints and set(self.arm.joints) != set(self.arm_joints):
            raise ValueError(f"arm.joints must name {', '.join(self.arm_joints)}, in the controller's order")
        for joint, position in self.home.items():
            limit = self.limits[joint]
            if not limit.lower <= position <= limit.upper:
                raise ValueError(
                    f"home of {joint} is {position:g}, outside of {limit.lower:g} to {limit.upper:g}"
                )
        if self.gripper is not None:
            limit = self.limits[self.joints[-1]]
            for value in (self.gripper.open, self.gripper.closed):
                if not limit.lower <= value <= limit.upper:
                    raise ValueError(f"gripper: {value:g} is outside of the limits of {self.joints[-1]}")
        if sum(not state.joints for state in self.states) > 1:
            raise ValueError("states: at most one topic may be for all joints that are not named elsewhere")
        heard = [joint for state in self.states for joint in state.joints]
        silent = [joint for joint in self.joints if joint not in heard]
        if silent and all(state.joints for state in self.states):
            raise ValueError(
                f"states: no topic says {silent[0]!r}; name it, or leave one topic without joints"
            )
        return self

    @property
    def arm_joints(self) -> tuple[str, ...]:
        """The joints of the arm's controller, in the policy's order."""
        own = self.gripper is not None and self.gripper.kind != "joint"
        return self.joints[:-1] if own else self.joints

    @property
    def wire_joints(self) -> tuple[str, ...]:
        """The joints of the arm's controller, in the order that it has them in."""
        return self.arm.joints or self.arm_joints

    @property
    def joint_limits(self) -> dict[str, JointLimit]:
        """The limits of each joint, in the policy's order.

        How fast a gripper that is an action moves is its driver's matter: bounded per period, its target
        would become a stream of small goals, each of which breaks off the one before.
        """
        at_once = self.joints[-1:] if self.gripper is not None and self.gripper.kind in ACTIONS else ()
        made = {}
        for joint in self.joints:
            limit = self.limits[joint]
            made[joint] = JointLimit(
                limit.lower,
                limit.upper,
                limit.velocity if joint not in at_once else ONE_GOAL * (limit.upper - limit.lower),
                limit.effort,
                acceleration=limit.acceleration,
                following_error=limit.following_error,
            )
        return made

    @property
    def controllers(self) -> tuple[str, ...]:
        """The controllers that must be active before anything moves."""
        gripper = self.gripper
        own = (gripper.controller,) if gripper is not None and gripper.controller and gripper.managed else ()
        return (self.arm.controller, *own)

    def state_of(self, joint: str) -> StateSpec:
        """Return which topic says where a joint is."""
        rest = next((state for state in self.states if not state.joints), self.states[0])
        return next((state for state in self.states if joint in state.joints), rest)


def load_robot_file(name: str) -> RobotFile:
    """Load a robot file by name in ``config/robots`` or by path.

    Raises:
        UnknownName: no robot file of that name.
        ConfigError: none is named, no such file, or it does not say what it must.
    """
    if not name:
        known = sorted(path.stem for path in find_config("robots", "panda").parent.glob("*.yaml"))
        raise ConfigError(f"robot_config is empty; name the arm's robot file: {', '.join(known)}, or a path")
    return load_yaml(find_config("robots", name), RobotFile)
