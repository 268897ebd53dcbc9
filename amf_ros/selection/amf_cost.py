"""AMF per minute: demonstrate what tells most for the operator's time.

    selection = AmfCost(SelectionConfig(reset_s=15.0)).select(problem)

    c_n = argmax_c' I(c') / t(c')

with I(c') the expected information gain of arXiv 2410.05026, eq. 2, and t(c') the expected minutes until
there is one usable demonstration of c': duration, resets and failed attempts, learned from the operator's own
attempts (:mod:`amf_ros.selection.costs`). Greedy gain per cost is the usual rule for a budget in cost instead
of number (Wolsey 1982; Leskovec et al., Cost-effective Outbreak Detection in Networks, KDD 2007). Scores are
nat per minute. A task nobody has timed is taken for the mean of the timed ones; where none is, each costs
1 and the choice is AMF's.

Stopping. ``SelectionConfig.stop_below`` bounds the best score: here nat per minute, the gain below which a
minute of the operator is worth more than what a demonstration teaches; in other forms of AMF nat per
demonstration. A gain of g shrinks the predictive variance v + sigma^2 at the target states by a factor
exp(-2 g), on average: by 2% at 0.01. Whoever gives r minutes for a nat sets it to 1 / r.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.values import Array
from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem
from amf_ros.selection.costs import prices


class AmfCost(Amf):
    """Expected information gain per minute of demonstrating."""

    name = "amf_cost"

    def _prices(self, problem: Problem) -> Array:
        minutes = prices([task.demonstration_s for task in problem.tasks])
        of = dict(zip((task.id for task in problem.tasks), minutes.tolist()))
        return np.array([of[key] for key in problem.candidates])
