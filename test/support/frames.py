"""Short ways from vectors to frames and back, for tests whose policies take vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amf_ros.contract import ObservationLayout
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array, Observation
from amf_ros.policies.base import PolicySpec, Steps


def vectors(rows: Any) -> Frames:
    """Frames of one entry, from (n, d)."""
    return Frames.of_vectors(np.asarray(rows))


def flat(observation: Observation | Mapping[str, NDArray[Any]]) -> Array:
    """All vectors of one observation, joined."""
    values = observation.values if isinstance(observation, Observation) else observation
    return np.concatenate(list(values.values()))


def steps_of(observations: Array, *rest: Any, **more: Any) -> Steps:
    """Steps in float32 from arrays."""
    return Steps(
        vectors(np.asarray(observations, np.float32)), *(np.asarray(a, np.float32) for a in rest), **more
    )


def spec_of(observations: tuple[str, ...], *rest: Any, **more: Any) -> PolicySpec:
    """A policy's specification whose observations are one vector."""
    return PolicySpec(ObservationLayout.of_vector(observations), *rest, **more)
