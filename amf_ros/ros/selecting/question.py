"""What the selector is asked, as a value: between the request's parsing and the answer. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """As ``amf_msgs/NextTask`` asks it; the defaults are its defaults."""

    candidates: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    num_tasks: int = 1
    strategy: str = ""
    seed: int = 0
