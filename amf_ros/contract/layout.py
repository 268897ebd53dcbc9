"""What a policy is made for: the layout of its observations, the names of its actions, and their rate.

:class:`~amf_ros.contract.contract.Contract` is an :class:`Interface`, read from a robot's file; a suite with
a simulator of its own gives the other. A checkpoint keeps the layout. Imports core only.

    interface = SuiteInterface("reach", ObservationLayout.of_vector(("x", "y")), ("vx", "vy"), 10.0)
    made_for.difference(interface.layout)           # "" where a policy can see what is there
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from amf_ros.core.frames import SINGLE, Frame, Frames


@dataclass(frozen=True)
class Entry:
    """One array of an observation.

    Attributes:
        name: unique in its layout, ``observation.images.wrist`` for example.
        shape: of the array at one instant: (d,) of a vector, (height, width, channels) of a picture.
        dtype: ``float64`` of vectors, ``uint8`` of pictures, ``uint16`` of depth.
        elements: of a vector, the name of each element.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float64"
    elements: tuple[str, ...] = ()

    @property
    def is_vector(self) -> bool:
        """Whether it is a vector of decimals; else it is a picture."""
        return len(self.shape) == 1 and self.dtype == "float64"

    def describe(self) -> str:
        """Say in a few words what it is."""
        return f"{self.name} {self.shape} {self.dtype}"


@dataclass(frozen=True)
class ObservationLayout:
    """The entries of an observation, in the order in which a policy may join them."""

    entries: tuple[Entry, ...]

    @classmethod
    def of_vector(cls, elements: Sequence[str], name: str = SINGLE) -> ObservationLayout:
        """Make the layout of one vector."""
        return cls((Entry(name, (len(elements),), elements=tuple(elements)),))

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """The names of all elements of the vectors, one vector after the other."""
        return tuple(name for entry in self.entries for name in entry.elements)

    @cached_property
    def presence(self) -> tuple[int | None, ...]:
        """Give for each element the number of the one that says if its role is there; None: it always is.

        Elements of a role that a task lacks are zero, which is no measured value.
        """
        names = self.elements
        flags = {name.removesuffix(".present"): i for i, name in enumerate(names) if _is_presence(name)}
        return tuple(next((i for role, i in flags.items() if _looks_at(role, name)), None) for name in names)

    @property
    def undivided(self) -> bool:
        """Whether it is one vector for all: of a suite, or of a checkpoint from before there were entries."""
        return len(self.entries) == 1 and self.entries[0].name == SINGLE

    def difference(self, running: ObservationLayout) -> str:
        """Say what a policy made for this layout would miss in another one; an empty text where nothing.

        An undivided layout fits vectors with the same elements, whatever entries they are divided into.
        """
        if difference := names_difference(self.elements, running.elements):
            return difference
        if self.undivided:
            others = [entry.name for entry in running.entries if not entry.is_vector]
            return f"it does not know {', '.join(others)}" if others else ""
        mine, theirs = (tuple(entry.name for entry in layout.entries) for layout in (self, running))
        if difference := names_difference(mine, theirs):
            return difference
        for one, other in zip(self.entries, running.entries, strict=True):
            if one != other:
                return f"{one.describe()} is {other.describe()} here"
        return ""

    def fit(self, frames: Frames) -> Frames:
        """Give frames these entries: those of an old file are divided.

        Raises:
            ValueError: they hold something else; says what.
        """
        if frames.names == (SINGLE,) and not self.undivided:
            if any(not entry.is_vector for entry in self.entries) or frames[SINGLE].ndim != 2:
                raise ValueError(f"they have one entry and {len(self.entries)} are needed")
            if frames[SINGLE].shape[1] != len(self.elements):
                raise ValueError(f"they have {frames[SINGLE].shape[1]} elements, not {len(self.elements)}")
            frames = frames.split({entry.name: entry.shape[0] for entry in self.entries})
        wanted = {entry.name: (entry.shape, entry.dtype) for entry in self.entries}
        found = {name: (values.shape[1:], values.dtype.name) for name, values in frames.items()}
        if found != wanted:
            raise ValueError(f"they hold {found}, not {wanted}")
        return frames

    def stacked(self, frames: Sequence[Frame]) -> Frames:
        """Put frames of this layout behind one another; there may be none."""
        if frames:
            return Frames.stacked(frames)
        return Frames({entry.name: np.zeros((0, *entry.shape), entry.dtype) for entry in self.entries})

    def drawn(self, rng: np.random.Generator, number: int) -> Frames:
        """Make frames of random numbers, for questions that nobody asks."""

        def values(entry: Entry) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            shape = (number, *entry.shape)
            if np.dtype(entry.dtype).kind == "f":
                return rng.standard_normal(shape)
            return rng.integers(0, 256, shape).astype(entry.dtype)

        return Frames({entry.name: values(entry) for entry in self.entries})


class Interface(Protocol):
    """Layout, names, order and rate; ``hash`` differs where what they mean may differ."""

    @property
    def name(self) -> str:
        """For messages to people."""

    @property
    def layout(self) -> ObservationLayout:
        """What an observation consists of."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """The names of the a elements of an action."""

    @property
    def fps(self) -> float:
        """Actions per second [Hz]."""

    @property
    def hash(self) -> str:
        """A digest of all that defines observations and actions."""


@dataclass(frozen=True)
class SuiteInterface:
    """The interface of a suite which brings its own simulator; see :class:`Interface`."""

    name: str
    layout: ObservationLayout
    action_names: tuple[str, ...]
    fps: float

    @property
    def hash(self) -> str:
        """A digest of names, order and rate; nothing else is known about them."""
        defining = [self.layout.elements, self.action_names, self.fps]
        return hashlib.sha256(json.dumps(defining).encode()).hexdigest()[:16]


def _is_presence(element: str) -> bool:
    return element.startswith("role.") and element.endswith(".present")


def _looks_at(role: str, element: str) -> bool:
    """Say whether an element, as ``role.target-role.aux.position.x``, is measured at or from a role."""
    return not _is_presence(element) and any(f"-{role}{end}" in f"-{element}" for end in ".-")


def names_difference(made_for: tuple[str, ...], running: tuple[str, ...]) -> str:
    """Say what one list of names has and the other lacks, else where their order differs; "" if nowhere."""
    if made_for == running:
        return ""
    lacking = [name for name in made_for if name not in running]
    added = [name for name in running if name not in made_for]
    parts = [f"it needs {', '.join(lacking)}"] if lacking else []
    if added:
        parts.append(f"it does not know {', '.join(added)}")
    if parts:
        return ", and ".join(parts)
    row = next(
        (i for i, (a, b) in enumerate(zip(made_for, running)) if a != b), min(len(made_for), len(running))
    )
    return f"element {row} is {made_for[row : row + 1]} there and {running[row : row + 1]} here"
