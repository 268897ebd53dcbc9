"""The contract's observations: values of its topics -> a frame, with one array for each key of the file.

Joints, poses and roles are for :mod:`amf_ros.contract.features` to compute; here are also numbers and
pictures that come as they are. Imports codecs, features, layout, pictures and spec.

    observer = Observer(spec)
    frame = observer.frame(inputs, joints, scene, roles)        # entry -> array, as observer.layout says
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.contract.feature_spec import FeatureSpec, ImageFeature, NumbersFeature, inside
from amf_ros.contract.features import compile_feature, feature_names, looked_at, optional_roles
from amf_ros.contract.layout import Entry, ObservationLayout
from amf_ros.contract.pictures import View
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.errors import ContractError
from amf_ros.core.frames import Frame
from amf_ros.core.values import Array, JointState, Numbers, Picture, SceneState, Value, Views

Inputs = Mapping[str, Value]
Compute = Callable[[Inputs, JointState, "SceneState | None", Mapping[str, str]], Array]


class Observer:
    """Makes frames. Stateless but for the spec.

    Attributes:
        layout: of the frames.
        optional_roles: roles that a task may lack.
        looked_at: scene objects and ``role.<name>`` that features look at.
    """

    def __init__(self, spec: ContractSpec) -> None:
        self._elements = {inside(name): topic.elements for name, topic in spec.topics.items()}
        self._features = spec.observations
        every = [feature for features in spec.observations.values() for feature in features]
        states = [f for f in every if not isinstance(f, (NumbersFeature, ImageFeature))]
        self.optional_roles = optional_roles(every)
        self.looked_at = tuple(dict.fromkeys(name for f in states for name in looked_at(f)))
        self._vectors: dict[str, tuple[tuple[Compute, ...], tuple[str, ...]]] = {}
        self._pictures: dict[str, str] = {}  # entry -> topic
        self._views: dict[str, dict[str, View]] = {}  # topic -> entry -> view
        entries = [self._entry(key, features) for key, features in spec.observations.items()]
        self.layout = ObservationLayout(tuple(entries))

    def _entry(self, key: str, features: tuple[FeatureSpec, ...]) -> Entry:
        first = features[0]
        if isinstance(first, ImageFeature):
            view, topic = View(first.width, first.height, first.crop, first.encoding), inside(first.topic)
            self._pictures[key] = topic
            self._views.setdefault(topic, {})[key] = view
            return Entry(key, view.shape, view.dtype)
        names = tuple(name for feature in features for name in self._names(feature))
        self._vectors[key] = tuple(self._compiled(feature) for feature in features), names
        return Entry(key, (len(names),), elements=names)

    def _names(self, feature: FeatureSpec) -> tuple[str, ...]:
        if isinstance(feature, NumbersFeature):
            return tuple(f"{inside(feature.topic)}.{element}" for element in self._wanted(feature))
        return () if isinstance(feature, ImageFeature) else feature_names(feature)

    def _wanted(self, feature: NumbersFeature) -> tuple[str, ...]:
        return feature.elements or self._elements[inside(feature.topic)]

    def _compiled(self, feature: FeatureSpec) -> Compute:
        if isinstance(feature, NumbersFeature):
            return _numbers(inside(feature.topic), self._rows(feature))
        if isinstance(feature, ImageFeature):
            raise ContractError("a picture is no vector")
        compute = compile_feature(feature, self.optional_roles)
        return lambda inputs, joints, scene, roles: compute(joints, scene, roles)

    def _rows(self, feature: NumbersFeature) -> list[int]:
        return [self._elements[inside(feature.topic)].index(name) for name in self._wanted(feature)]

    def meaning(self) -> dict[str, list[dict[str, Any]]]:
        """Give what defines the numbers of an observation, for a hash: topic names may change freely."""

        def defined(feature: FeatureSpec) -> dict[str, Any]:
            if isinstance(feature, NumbersFeature):
                return {"feature": feature.feature, "elements": list(self._names(feature))}
            if isinstance(feature, ImageFeature):
                return feature.model_dump(mode="json", exclude={"topic"})
            return feature.model_dump(mode="json")

        return {key: [defined(feature) for feature in features] for key, features in self._features.items()}

    def views(self, topic: str, picture: Picture) -> Views:
        """Take what the observations show of a picture. Raises DataError where a view does not fit it."""
        wanted = self._views.get(topic, {})
        return Views(picture.stamp_ns, {key: view.of(picture) for key, view in wanted.items()})

    def frame(
        self, inputs: Inputs, joints: JointState, scene: SceneState | None, roles: Mapping[str, str]
    ) -> Frame:
        """Make the frame, entries in the file's order.

        Raises:
            UnknownName: a joint or scene object that the message does not hold.
            ContractError: a role that the task does not name, a value that is not finite, or no picture.
        """
        return {
            entry.name: self._picture(entry.name, inputs)
            if entry.name in self._pictures
            else self._vector(entry.name, inputs, joints, scene, roles)
            for entry in self.layout.entries
        }

    def _vector(
        self,
        key: str,
        inputs: Inputs,
        joints: JointState,
        scene: SceneState | None,
        roles: Mapping[str, str],
    ) -> Array:
        computes, names = self._vectors[key]
        vector = np.concatenate([compute(inputs, joints, scene, roles) for compute in computes])
        if not np.isfinite(vector).all():
            bad = int(np.flatnonzero(~np.isfinite(vector))[0])
            raise ContractError(f"observation {names[bad]} is {vector[bad]}; only finite numbers are allowed")
        return vector

    def _picture(self, key: str, inputs: Inputs) -> NDArray[Any]:
        topic = self._pictures[key]
        value = inputs.get(topic)
        if not isinstance(value, Views) or key not in value.pixels:
            raise ContractError(f"{topic!r} must be a picture, got {type(value).__name__}")
        return value.pixels[key]


def _numbers(topic: str, rows: list[int]) -> Compute:
    def compute(
        inputs: Inputs, joints: JointState, scene: SceneState | None, roles: Mapping[str, str]
    ) -> Array:
        value = inputs[topic]
        if not isinstance(value, Numbers):
            raise ContractError(f"{topic!r} must be numbers, got {type(value).__name__}")
        picked: Array = value.values[rows]
        return picked

    return compute
