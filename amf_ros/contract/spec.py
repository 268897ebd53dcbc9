"""The contract file as validated models: every key, default and range, once.

spec = load_yaml(path, ContractSpec)
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from amf_ros.contract.codecs import JOINT_STATE, JOINT_TRAJECTORY, SCENE_STATE, Kind, codec_of, of_kind
from amf_ros.contract.feature_spec import (
    FeatureSpec,
    ImageFeature,
    JointAngleFeature,
    JointFeature,
    Name,
    NumbersFeature,
    PresentFeature,
    TopicName,
    inside,
)
from amf_ros.core.config import Model


def _one_of(allowed: tuple[str, ...], type_: str) -> str:
    """Check that :mod:`amf_ros.contract.codecs` knows a type. Raises ValueError with those it knows."""
    if type_ not in allowed:
        raise ValueError(f"{type_[:80]!r} is not read; allowed: {', '.join(allowed)}")
    return type_


ObservedType = Annotated[
    str, AfterValidator(partial(_one_of, of_kind("joints", "scene", "numbers", "picture")))
]
CommandType = Annotated[str, AfterValidator(partial(_one_of, of_kind("command")))]


MOST_MS: Final = 3_600_000.0  # an hour: more is no age but a mistake


class QosSpec(Model):
    """Quality of service of a subscription."""

    reliability: Literal["reliable", "best_effort"] = Field("reliable", description="of delivery")
    depth: int = Field(50, ge=1, description="messages kept")


class StampSpec(Model):
    """When a message was true."""

    stamp: Literal["header", "receive"] = Field(
        "header", description="times are those of the message's header, or of its arrival (real time only)"
    )
    offset_ms: float = Field(
        0.0, ge=-MOST_MS, le=MOST_MS, description="added to header stamps; positive: the clock lags [ms]"
    )
    max_offset_ms: float | None = Field(
        None,
        gt=0,
        le=MOST_MS,
        description="no stream arrives further from its stamps than this for a whole second; default "
        "max_age_ms, of commands the largest of all topics [ms]",
    )


class AlignSpec(StampSpec):
    """Which message of a stream belongs to an instant."""

    policy: Literal["latest"] = Field("latest", description="the newest one not after the instant: causal")
    max_age_ms: float = Field(100.0, gt=0, le=MOST_MS, description="older ones are stale [ms]")


class TopicSpec(Model):
    """One observed stream."""

    type: ObservedType = Field(description="ROS type, one of amf_ros/contract/codecs.py")
    names: tuple[Name, ...] = Field(
        (), description="of the numbers in its messages, in order, where the type gives them no names"
    )
    qos: QosSpec = QosSpec()
    align: AlignSpec = AlignSpec()
    on_stale: Literal["stop"] = Field("stop", description="stale input is an error; never zero-filled")
    min_rate_hz: float = Field(0.0, ge=0, description="a demonstration with a slower stream is refused [Hz]")

    @model_validator(mode="after")
    def _fits_type(self) -> TopicSpec:
        codec = codec_of(self.type)
        if codec.elements is None and not self.names:
            raise ValueError(f"names is needed: {self.type} gives its numbers no names; list them in order")
        if codec.elements is not None and self.names:
            raise ValueError(f"names belongs to types without names of their own; remove it from {self.type}")
        if len(set(self.names)) != len(self.names):
            raise ValueError("names lists one of them twice; they must differ")
        if not codec.stamped and self.align.stamp != "receive":
            raise ValueError(f"{self.type} has no header to take times from: write align: {{stamp: receive}}")
        return self

    @property
    def elements(self) -> tuple[str, ...]:
        """The names of the numbers that a message holds; none of a type that holds something else."""
        return self.names or codec_of(self.type).elements or ()


class EndpointSpec(Model):
    """A topic that carries commands."""

    topic: TopicName
    type: CommandType = JOINT_TRAJECTORY


class DeviceSpec(EndpointSpec):
    """The topic of the demonstrator's device."""

    align: StampSpec = StampSpec()


class AppliedSpec(EndpointSpec):
    """The topic on which the robot says what it did with each command."""

    topic: TopicName = "applied_command"


class ActionElement(Model):
    """Joints commanded in one way."""

    joints: tuple[Name, ...] = Field(min_length=1, description="in this order")
    mode: Literal["relative_to_measured", "absolute"] = Field(
        description="target minus measured position, or the target itself"
    )
    range: tuple[float, float] | None = Field(
        None, description="mode absolute: the targets that become -1 and +1 [rad or m]"
    )
    max_step: float = Field(
        1.0,
        gt=0,
        description="without range: a demonstrated command further than this from the measured joint is "
        "refused [rad or m]",
    )
    continuous: tuple[Name, ...] = Field(
        (), description="of these joints, those that turn without end: the shortest angle counts"
    )

    @model_validator(mode="after")
    def _range_fits(self) -> ActionElement:
        if self.range is not None and self.mode != "absolute":
            raise ValueError("range belongs to mode absolute only; remove it or change the mode")
        if self.range is not None and self.range[0] == self.range[1]:
            raise ValueError("range needs two different numbers: the target for -1, the target for +1")
        strange = [joint for joint in self.continuous if joint not in self.joints]
        if strange:
            raise ValueError(f"continuous names {strange[0]!r}, which is not among this element's joints")
        if self.continuous and self.mode != "relative_to_measured":
            raise ValueError("continuous belongs to mode relative_to_measured only; change the mode")
        return self


class ActionSpec(Model):
    """What the policy commands, and where commands come from and go to."""

    record_from: DeviceSpec = Field(description="the demonstrator's commands")
    publish_to: EndpointSpec = Field(description="the policy's commands")
    applied_from: AppliedSpec = Field(
        AppliedSpec(), description="the commands as the robot applied them, within its limits"
    )
    learn: Literal["applied", "asked"] = Field(
        "applied", description="what training learns; asked where a recording holds no applied command"
    )
    elements: tuple[ActionElement, ...] = Field(min_length=1)
    watchdog_ms: float = Field(150.0, gt=0, description="the arm holds when commands stop for this long [ms]")
    on_stop: Literal["hold_measured"] = Field("hold_measured", description="what the arm does then")


class ContractSpec(Model):
    """The whole file."""

    contract_format: Literal["amf_contract/1"] = Field(alias="schema", description="format of the file")
    robot_type: str = Field(min_length=1, description="what arm this is for; kept in exports")
    fps: float = Field(gt=0, le=1000, description="rate of observations and actions [Hz]")
    topics: dict[TopicName, TopicSpec] = Field(
        min_length=1, description="observed streams, by topic name: relative to the namespace, or absolute"
    )
    observations: dict[str, tuple[FeatureSpec, ...]] = Field(
        min_length=1, description="vector name -> features, joined in this order"
    )
    action: ActionSpec
    record_extra: dict[TopicName, str] = Field(
        default_factory=dict, description="topic -> ROS type: recorded when there, not part of the policy"
    )

    @field_validator("observations")
    @classmethod
    def _vectors(cls, value: dict[str, tuple[FeatureSpec, ...]]) -> dict[str, tuple[FeatureSpec, ...]]:
        for key, features in value.items():
            if not features:
                raise ValueError(f"{key} has no features; list at least one or remove it")
        return value

    @model_validator(mode="after")
    def _streams_there(self) -> ContractSpec:
        known = {inside(name): topic for name, topic in self.topics.items()}
        for key, features in self.observations.items():
            for feature in features:
                if isinstance(feature, (NumbersFeature, ImageFeature)):
                    _require_topic(key, feature, known.get(inside(feature.topic)))
            if len(features) > 1 and any(isinstance(feature, ImageFeature) for feature in features):
                raise ValueError(
                    f"observations.{key} joins a picture with something else; give it a key alone"
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> ContractSpec:
        types: list[str] = [topic.type for topic in self.topics.values()]
        if JOINT_STATE not in types:
            raise ValueError(f"topics needs at least one of type {JOINT_STATE}, found none")
        scene = any(
            not isinstance(f, (JointFeature, JointAngleFeature, PresentFeature, NumbersFeature, ImageFeature))
            for fs in self.observations.values()
            for f in fs
        )
        if types.count(SCENE_STATE) > 1 or (scene and SCENE_STATE not in types):
            raise ValueError(
                f"topics needs one of type {SCENE_STATE} for position and yaw features, "
                f"found {types.count(SCENE_STATE)}"
            )
        turning = {joint for element in self.action.elements for joint in element.continuous}
        jumping = sorted(
            turning.intersection(
                joint
                for features in self.observations.values()
                for feature in features
                if isinstance(feature, JointFeature) and feature.feature == "joint_position"
                for joint in feature.joints
            )
        )
        if jumping:
            raise ValueError(
                f"joint_position of {jumping[0]}, which is continuous, jumps by a whole turn; use joint_angle"
            )
        joints = [joint for element in self.action.elements for joint in element.joints]
        twice = sorted({joint for joint in joints if joints.count(joint) > 1})
        if twice:
            raise ValueError(
                f"action.elements commands {', '.join(twice)} more than once; list each joint once"
            )
        action = self.action
        endpoints = (action.record_from.topic, action.publish_to.topic, action.applied_from.topic)
        names = Counter(inside(name) for name in (*endpoints, *self.topics))
        if max(names.values()) > 1:
            raise ValueError(
                "action.record_from, action.publish_to, action.applied_from and topics need different topic "
                f"names, {names.most_common(1)[0][0]!r} stands twice (with or without a slash first)"
            )
        extra = Counter(inside(name) for name in self.record_extra)
        own = set(names) - {inside(action.publish_to.topic)}
        twice = sorted(name for name in extra if extra[name] > 1 or name in own)
        if twice:
            raise ValueError(f"record_extra repeats {', '.join(twice)}, which is recorded anyway")
        return self


def _require_topic(key: str, feature: NumbersFeature | ImageFeature, topic: TopicSpec | None) -> None:
    """Check that a feature finds what it reads. Raises ValueError."""
    kind: Kind = "picture" if isinstance(feature, ImageFeature) else "numbers"
    if topic is None or codec_of(topic.type).kind != kind:
        found = "is not among topics" if topic is None else f"is of type {topic.type}"
        raise ValueError(
            f"observations.{key}: topic {feature.topic!r} {found}; allowed are topics of types "
            f"{', '.join(of_kind(kind))}"
        )
    if isinstance(feature, NumbersFeature):
        strange = [name for name in feature.elements or () if name not in topic.elements]
        if strange:
            raise ValueError(
                f"observations.{key}: {feature.topic} has no element {strange[0]!r}; it has "
                f"{', '.join(topic.elements)}"
            )
