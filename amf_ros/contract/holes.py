"""Are states missing in the middle of a demonstration? Said while recording and in replay, by the same code.

    problem = hole(topic, stamps_ns, first_ns, last_ns)     # "" = none

A command that falls into a hole answers a state that is too old, and its age tells. But where commands were
lost together with the states, only the stamps on both sides of the hole show it.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np

from amf_ros.contract.topics import Topic


def hole(topic: Topic, stamps_ns: Sequence[int], first_ns: int, last_ns: int) -> str:
    """Look for neighbouring states that are further apart than a state may be old.

    Args:
        topic: whose states; where it has no greatest age, nothing is a hole.
        stamps_ns: their stamps, ascending [ns].
        first_ns: stamp of the first command that the states belong to [ns].
        last_ns: stamp of the last one [ns].

    Returns:
        The widest hole in one line, with topic, length, place and mend; empty where there is none.
    """
    begin = max(bisect.bisect_right(stamps_ns, first_ns) - 1, 0)
    inside = np.asarray(stamps_ns[begin : bisect.bisect_right(stamps_ns, last_ns)], dtype=np.int64)
    if not topic.max_age_ns or len(inside) < 2:
        return ""
    apart = np.diff(inside)
    widest = int(np.argmax(apart))
    if apart[widest] <= topic.max_age_ns:
        return ""
    return (
        f"{topic.name} has a hole of {apart[widest] / 1e6:.0f} ms after stamp {inside[widest] / 1e9:.3f} s, "
        f"allowed is {topic.max_age_ns / 1e6:.0f} ms: states were lost or never published; look at its "
        "publisher, the network and the load of the recorder's computer, then record again"
    )
