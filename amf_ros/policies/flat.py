"""Observations as vectors, for policies and models that take nothing else. Imports layout, frames and errors.

view = FlatView(spec.layout, "policy 'mlp'")            # refuses pictures by name
rows = view.rows(observations)                          # B frames -> (B, d) float32
"""

from __future__ import annotations

import numpy as np

from amf_ros.contract import ObservationLayout
from amf_ros.core.errors import ConfigError, DataError
from amf_ros.core.frames import Frames
from amf_ros.policies.base import F32


class FlatView:
    """Joins all entries of an observation, in the order of the layout.

    Attributes:
        names: of the d elements.

    Raises:
        ConfigError: an entry is no vector.
    """

    def __init__(self, layout: ObservationLayout, who: str) -> None:
        """``who`` takes vectors only, for the error."""
        pictures = [entry.name for entry in layout.entries if not entry.is_vector]
        if pictures:
            raise ConfigError(
                f"{who} takes vectors only, and {pictures[0]} is a picture; choose one that takes pictures, "
                "or a contract without"
            )
        self.names = layout.elements

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, observations: Frames) -> F32:
        """Give the vectors (B, d), float32.

        Raises:
            DataError: they have another length.
        """
        rows = observations.flat()
        if rows.shape[1] != len(self.names):
            raise DataError(f"observations have {rows.shape[1]} elements, {len(self.names)} are needed")
        flat: F32 = rows.astype(np.float32, copy=False)
        return flat
