"""A contract at work: messages -> observation, command <-> action, and does the robot fit?

contract = load_contract("panda_tabletop")
action = contract.encode(command, joints)               # (a,)
command = contract.decode(action, joints, stamp_ns)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from amf_ros.contract.codecs import to_value
from amf_ros.contract.feature_spec import JointAngleFeature, JointFeature
from amf_ros.contract.features import ROLE, rows
from amf_ros.contract.observing import Observer
from amf_ros.contract.spec import ActionElement, ContractSpec
from amf_ros.contract.topics import NS_PER_MS, named, observed
from amf_ros.core.config import load_yaml
from amf_ros.core.errors import ContractError, StaleObservation, UnknownName
from amf_ros.core.paths import find_config
from amf_ros.core.values import Array, JointCommand, JointState, Observation, Picture, SceneState, Task, Value


def _meaning(element: ActionElement) -> dict[str, Any]:
    """Return what defines the numbers of an action; contracts from before ``continuous`` keep their hash."""
    without = {"max_step"} if element.continuous else {"max_step", "continuous"}
    return element.model_dump(mode="json", exclude=without)


def shortest(angle: Array) -> Array:
    """Return the same turn in [-pi, pi) [rad]."""
    turned: Array = (angle + np.pi) % (2.0 * np.pi) - np.pi
    return turned


class Contract:
    """One robot's contract. Stateless but for its file: safe to share between threads.

    ``hash`` is of what defines the numbers that a policy sees and gives; ``digest`` of all that it says.
    """

    def __init__(self, spec: ContractSpec, name: str = "contract") -> None:
        self.spec, self.name = spec, name
        self.fps = spec.fps
        self.period_ns = round(1e9 / spec.fps)
        self.watchdog_ns = round(spec.action.watchdog_ms * NS_PER_MS)
        self.topics = tuple(observed(name, topic) for name, topic in spec.topics.items())
        action = spec.action
        device = named(action.record_from.topic, action.record_from.type, action.record_from.align)
        oldest_ns = max(topic.max_age_ns for topic in self.topics)
        self.command = replace(device, max_offset_ns=device.max_offset_ns or oldest_ns, max_age_ns=oldest_ns)
        self.published = named(action.publish_to.topic, action.publish_to.type)
        self.applied = named(action.applied_from.topic, action.applied_from.type)
        self.learn = action.learn
        self.record_from, self.publish_to = self.command.name, self.published.name
        self.command_type = self.command.type
        self.record_extra = tuple(named(name, type_) for name, type_ in spec.record_extra.items())
        self.recorded = frozenset(
            {self.command.name, self.applied.name, *(topic.name for topic in self.topics)}
        )
        self._named = {
            topic.name: topic for topic in (*self.topics, self.command, self.published, self.applied)
        }
        self.joint_topics = tuple(topic.name for topic in self.topics if topic.kind == "joints")
        self.joints_topic = self.joint_topics[0]
        self.scene_topic = next((topic.name for topic in self.topics if topic.kind == "scene"), None)
        self.joints_age_ns = max(topic.max_age_ns for topic in self.topics if topic.kind == "joints")
        self._max_age_ns = {topic.name: topic.max_age_ns for topic in self.topics}
        self._observer = Observer(spec)
        self.layout, self.optional_roles = self._observer.layout, self._observer.optional_roles
        self.command_joints = tuple(joint for element in spec.action.elements for joint in element.joints)
        modes = [element.mode for element in spec.action.elements for _ in element.joints]
        self.action_names = tuple(f"{j}.{m}" for j, m in zip(self.command_joints, modes, strict=True))
        self._relative = np.array([mode == "relative_to_measured" for mode in modes])
        ends = [element.range or (-1.0, 1.0) for element in spec.action.elements for _ in element.joints]
        self._middle = np.array([(low + high) / 2 for low, high in ends])
        self._half = np.array([(high - low) / 2 for low, high in ends])
        self.continuous = frozenset(joint for element in spec.action.elements for joint in element.continuous)
        self._turning = np.array([joint in self.continuous for joint in self.command_joints])
        self.needs = self._needs()
        self.looked_at = self._observer.looked_at
        self.hash = self._hash()
        self.digest = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]

    def _needs(self) -> dict[str, tuple[bool, bool]]:
        """Joint -> whether its position and its velocity are used; all joints that are used at all."""
        used = dict.fromkeys(self.command_joints, (True, False))
        for features in self.spec.observations.values():
            for feature in features:
                if isinstance(feature, (JointFeature, JointAngleFeature)):
                    moves = feature.feature == "joint_velocity"
                    for joint in feature.joints:
                        position, velocity = used.get(joint, (False, False))
                        used[joint] = position or not moves, velocity or moves
        return used

    def _hash(self) -> str:
        """Of what defines features and actions; topic names, ages and qos may change freely."""
        defining = {
            "fps": self.fps,
            "observations": self._observer.meaning(),
            "action": [_meaning(element) for element in self.spec.action.elements],
        }
        return hashlib.sha256(json.dumps(defining).encode()).hexdigest()[:16]

    def type_of(self, topic: str) -> str:
        """Say the ROS type of one of the contract's topics, by its name inside."""
        return self._named[topic].type

    def read(self, topic: str, message: Any) -> Value:
        """Read a message of one of the contract's topics: live, recording and in replay.

        Of a picture only what the contract's observations show of it is kept.

        Args:
            topic: as the contract calls it inside.
            message: anything with its fields as attributes.

        Raises:
            DataError: the message's parts do not fit.
        """
        known = self._named[topic]
        return self.seen(topic, to_value(known.type, message, known.names))

    def seen(self, topic: str, value: Value) -> Value:
        """Give what observations show of a value: of a picture its views, anything else as it is.

        Raises:
            DataError: a picture that the views do not fit.
        """
        return self._observer.views(topic, value) if isinstance(value, Picture) else value

    def observe(
        self,
        inputs: Mapping[str, Value],
        roles: Mapping[str, str],
        now_ns: int | None = None,
    ) -> Observation:
        """Make what the policy sees, from the newest message of every stream.

        Args:
            inputs: topic name -> newest value; of several topics of joint states, the joints that they make
                up together, under ``joints_topic``.
            roles: of the task, role -> scene object; one that it lacks is absent where the contract allows.
            now_ns: the instant to judge ages by; None = the newest of the inputs.

        Returns:
            A frame with an array for each key of ``observations``; its stamp is the newest input's.

        Raises:
            StaleObservation: a stream is missing, too old, or stamped in the future.
            UnknownName: a joint or scene object that the message does not hold.
            ContractError: a role that the task does not name, or a value that is not finite.
        """
        newest = self._check_fresh(inputs, now_ns)
        joints = inputs[self.joints_topic]
        scene = inputs[self.scene_topic] if self.scene_topic is not None else None
        if not isinstance(joints, JointState) or not (scene is None or isinstance(scene, SceneState)):
            raise ContractError(
                f"{self.name}: {self.joints_topic!r} must be a JointState and {self.scene_topic!r} "
                f"a SceneState, got {type(joints).__name__} and {type(scene).__name__}"
            )
        try:
            frame = self._observer.frame(inputs, joints, scene, roles)
        except ContractError as error:
            raise ContractError(f"{self.name}: {error}") from error
        return Observation(newest, frame)

    def _check_fresh(self, inputs: Mapping[str, Value], now_ns: int | None) -> int:
        used = [self.joints_topic, *(t.name for t in self.topics if t.name not in self.joint_topics)]
        missing = [name for name in used if name not in inputs]
        if missing:
            raise StaleObservation(
                f"no message yet on {', '.join(missing)}; is the robot running and publishing it?"
            )
        newest = max(inputs[name].stamp_ns for name in used)
        now = newest if now_ns is None else now_ns
        for name in used:
            age, allowed = now - inputs[name].stamp_ns, self._max_age_ns[name]
            if abs(age) > allowed:
                when = "old" if age > 0 else "in the future"
                raise StaleObservation(
                    f"{name} is {abs(age) / NS_PER_MS:.0f} ms {when}, "
                    f"allowed {allowed / NS_PER_MS:.0f} ms; "
                    "check that it is published at its rate and on the same clock"
                )
        return newest

    def encode(self, command: JointCommand, joints: JointState) -> Array:
        """Express a command as the action (a,) to be learned: relative to measured, or a range as [-1, 1].

        Of a continuous joint it is the shortest way from measured to target, in [-pi, pi).

        Raises:
            ContractError: a joint is not commanded or measured, or a value is not finite.
        """
        target = self._select(command.names, command.position, "command")
        measured = self._select(joints.names, joints.position, "joint state")
        way = target - measured
        if self._turning.any():
            way = np.where(self._turning, shortest(way), way)
        action = np.where(self._relative, way, (target - self._middle) / self._half)
        self._check_finite(action, self.action_names, "action")
        return action

    def decode(self, action: Array, joints: JointState, stamp_ns: int) -> JointCommand:
        """Return the command for an action (a,): the inverse of :meth:`encode` at the same measured joints.

        The target of a continuous joint lies beside the measured angle, beyond pi where the way leads there.

        Raises:
            ContractError: wrong length, a joint is not measured, or a value is not finite.
        """
        values = np.asarray(action, dtype=np.float64)
        if values.shape != (len(self.action_names),):
            raise ContractError(
                f"{self.name}: action has shape {values.shape}, expected ({len(self.action_names)},)"
            )
        self._check_finite(values, self.action_names, "action")
        measured = self._select(joints.names, joints.position, "joint state")
        position = np.where(self._relative, measured + values, self._middle + values * self._half)
        return JointCommand(stamp_ns, self.command_joints, position)

    def _select(self, names: tuple[str, ...], values: Array, what: str) -> Array:
        try:
            picked: Array = values[list(rows("joint", names, self.command_joints))]
        except UnknownName as error:
            raise ContractError(
                f"{self.name}: {what} lacks a joint that the contract commands: {error}"
            ) from error
        return picked

    def _check_finite(self, values: Array, names: tuple[str, ...], what: str) -> None:
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ContractError(
                f"{self.name}: {what} {names[bad]} is {values[bad]}; only finite numbers are allowed"
            )

    def check_robot(
        self, joint_names: Iterable[str], scene_names: Iterable[str] | None = None, tasks: Iterable[Task] = ()
    ) -> None:
        """Check that this contract fits a robot, its scene and the tasks. Call before anything moves.

        Args:
            joint_names: that the robot measures and accepts.
            scene_names: objects in the scene state; None = not known yet.
            tasks: whose roles the contract's features use.

        Raises:
            ContractError: naming what is missing and what there is.
        """
        self._require("joint", self.needs, joint_names)
        wanted = self.looked_at
        roles = [name.removeprefix(ROLE) for name in wanted if name.startswith(ROLE)]
        fixed = [name for name in wanted if not name.startswith(ROLE)]
        scene = None if scene_names is None else tuple(scene_names)
        if scene is not None:
            self._require("scene object", fixed, scene)
        for task in tasks:
            needed = [role for role in roles if role in task.roles or role not in self.optional_roles]
            self._require(f"role of task {task.id!r}", needed, task.roles)
            if scene is not None:
                self._require(
                    f"scene object of task {task.id!r}", [task.roles[role] for role in needed], scene
                )

    def _require(self, kind: str, wanted: Iterable[str], known: Iterable[str]) -> None:
        have = tuple(known)
        for name in wanted:
            if name not in have:
                raise ContractError(f"contract {self.name!r} does not fit: {UnknownName(kind, name, have)}")


def load_contract(name: str) -> Contract:
    """Load a contract by name in ``config/contracts`` or by path.

    Raises:
        UnknownName: no contract of that name.
        ConfigError: no such file, or it does not say what it must; names file, key and what is allowed.
    """
    path = find_config("contracts", name)
    return Contract(load_yaml(path, ContractSpec), path.stem)
