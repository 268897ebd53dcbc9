"""What the contract's observations consist of, as validated models. Imports config and pictures only.

feature = ImageFeature(feature="image", topic="wrist/image_raw", width=96, height=72)
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, field_validator

from amf_ros.contract.pictures import Encoding
from amf_ros.core.config import Model

Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9_./-]+$")]

_TOPIC = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")
TOPIC_RULE: Final = (
    "letters, digits and _ in parts between single slashes, no part starting with a digit, no __, no slash "
    "at the end; absolute (/left/joint_states) or relative (joint_states)"
)


def _topic_name(name: str) -> str:
    """Return a name that ROS takes for a topic, of any node. Raises ValueError with the rule."""
    if not _TOPIC.fullmatch(name) or "__" in name:
        near = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_/]", "_", name))
        hint = f"; try {near!r}" if near != name and _TOPIC.fullmatch(near) else ""
        raise ValueError(f"{name[:80]!r} is not a ROS topic name: {TOPIC_RULE}{hint}")
    return name


TopicName = Annotated[str, AfterValidator(_topic_name)]


def inside(topic: str) -> str:
    """Spell a topic as everything inside the package does, without a slash first."""
    return topic.removeprefix("/")


class JointFeature(Model):
    """Measured joints, by name."""

    feature: Literal["joint_position", "joint_velocity"]
    joints: tuple[Name, ...] = Field(min_length=1, description="in this order")


class JointAngleFeature(Model):
    """Measured joints that turn without end, each as sine and cosine."""

    feature: Literal["joint_angle"]
    joints: tuple[Name, ...] = Field(min_length=1, description="in this order")


class PositionFeature(Model):
    """Where a frame is, in the base frame [m]."""

    feature: Literal["position"]
    of: Name = Field(description="scene object, or role.<name>")
    axes: Literal["xyz", "xy", "z"] = Field("xyz", description="of the base frame")


class RelativePositionFeature(Model):
    """Where a frame is from another one, along the base axes [m]: position(of) - position(to)."""

    feature: Literal["relative_position"]
    of: Name = Field(description="scene object, or role.<name>")
    to: Name = Field(description="scene object, or role.<name>")
    axes: Literal["xyz", "xy", "z"] = Field("xyz", description="of the base frame")


class YawFeature(Model):
    """Heading of a frame's x axis about the base's z, as sine and cosine."""

    feature: Literal["yaw"]
    of: Name = Field(description="scene object, or role.<name>")
    symmetry: int = Field(1, ge=1, le=12, description="n: looks the same every 360/n degrees (cube: 4)")


class RelativeYawFeature(Model):
    """Heading of one frame minus that of another, as sine and cosine."""

    feature: Literal["relative_yaw"]
    of: Name = Field(description="scene object, or role.<name>")
    to: Name = Field(description="scene object, or role.<name>")
    symmetry: int = Field(1, ge=1, le=12, description="n: looks the same every 360/n degrees (cube: 4)")


class PresentFeature(Model):
    """Whether the task names a role: 1, or 0 where it does not; then what looks at the role is 0 as well.

    A role whose presence no feature observes must be named by every task.
    """

    feature: Literal["present"]
    of: Annotated[str, Field(pattern=r"^role\.[A-Za-z0-9_-]+$", description="role.<name>")]


class NumbersFeature(Model):
    """Numbers of a topic as they come: of a wrench, a twist, an array."""

    feature: Literal["numbers"]
    topic: TopicName
    elements: tuple[Name, ...] | None = Field(
        None, min_length=1, description="in this order, by the names that type or topic gives; default all"
    )


class ImageFeature(Model):
    """A camera's picture, resized; the only feature of its observation."""

    feature: Literal["image"]
    topic: TopicName
    width: int = Field(ge=1, le=4096, description="of what the policy sees [pixel]")
    height: int = Field(ge=1, le=4096, description="of what the policy sees [pixel]")
    crop: tuple[int, int, int, int] | None = Field(
        None, description="left, top, width, height of the part that is seen, before resizing [pixel]"
    )
    encoding: Encoding = Field("rgb8", description="rgb8, mono8, or 16UC1 for depth [mm]")

    @field_validator("crop")
    @classmethod
    def _some_part(cls, value: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if value is not None and (min(value) < 0 or 0 in value[2:]):
            raise ValueError(f"crop is {list(value)}; left and top are 0 or more, width and height 1 or more")
        return value


StateFeature = (
    JointFeature
    | JointAngleFeature
    | PositionFeature
    | RelativePositionFeature
    | YawFeature
    | RelativeYawFeature
    | PresentFeature
)
"""What is computed from joints, scene and roles."""
FeatureSpec = Annotated[StateFeature | NumbersFeature | ImageFeature, Field(discriminator="feature")]
