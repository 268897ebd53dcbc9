"""AMF that looks at outcomes, per minute: both extensions at once.

    selection = AmfOutcomesCost(SelectionConfig()).select(problem)

    c_n = argmax_c' I(c') / t(c')

with the information gain I under variances corrected by roll-outs (:mod:`amf_ros.selection.amf_outcomes`)
and the minutes t of :mod:`amf_ros.selection.amf_cost`.
"""

from __future__ import annotations

from amf_ros.selection.amf_cost import AmfCost
from amf_ros.selection.amf_outcomes import AmfOutcomes


class AmfOutcomesCost(AmfOutcomes, AmfCost):
    """Expected information gain, corrected by outcomes, per minute of demonstrating."""

    name = "amf_outcomes_cost"
