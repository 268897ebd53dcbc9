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

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.costs import minutes
from amf_ros.selection.gain_strategy import GainStrategy


class AmfCost(GainStrategy):
    """Chooses by expected information gain per minute of demonstrating."""

    name = "amf_cost"

    def __init__(self, config: SelectionConfig | None = None) -> None:
        super().__init__(config, price=minutes)
