"""One evaluated episode, replayed in the simulator before and after the session. Imports training and below.

The same seed gives the same start state, and equal commands give equal motion, so what the film shows is
what was evaluated.

    film = replay(environment, {"before": first, "after": last}, "open_drawer", seed=12)
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Panel:
    """One moving picture as a ``data:`` URI, with what it shows."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Film:
    """Panels that start together."""

    title: str
    note: str
    panels: Sequence[Panel]


def animate(frames: Sequence[Image.Image], period_ms: int, hold_ms: int = 1500) -> str:
    """Frames as a looping WebP in a ``data:`` URI; the last one is held for ``hold_ms``."""
    buffer = io.BytesIO()
    durations = [period_ms] * (len(frames) - 1) + [hold_ms]
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=durations,
        loop=0,
        quality=60,
        method=2,
    )
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
