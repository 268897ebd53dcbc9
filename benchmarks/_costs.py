"""Success against the minutes that demonstrating took, where tasks differ in how long they take.

No script of its own: ``kinematic.py`` and ``tabletop.py`` import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amf_ros.sweep.cluster import Row
from amf_ros.sweep.sessions import Setting, minutes
from amf_ros.sweep.statistics import Curves, collect

POINTS = 21  # places at which success is read against minutes


def by_minutes(
    rows: Sequence[Row], oblivious: str, costs: Setting, strategies: Sequence[str]
) -> dict[str, Curves]:
    """Success against minutes under a setting's costs.

    Args:
        rows: of :func:`session`.
        oblivious: name of the setting without these costs. Strategies that do not look at time choose there
            as they would here, so their runs count again with the time that they would have taken.
        costs: the setting; all its own rows count.
        strategies: those of ``oblivious`` that count.
    """
    scored: list[Row] = []
    for row in rows:
        job, result = row["job"], dict(row["result"])
        if job["setting"]["name"] == oblivious and job["strategy"] in strategies:
            reset_s = costs.selection.reset_s
            result["minutes"] = minutes(result["attempts"], result["rounds"], reset_s, costs.pace)
        elif job["setting"]["name"] != costs.name:
            continue
        scored.append({"job": job, "result": result})
    last = min(row["result"]["minutes"][-1] for row in scored)
    return collect(scored, x="minutes", grid=[float(at) for at in np.linspace(0, last, POINTS)])
