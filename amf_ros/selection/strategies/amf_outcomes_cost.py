"""AMF that looks at outcomes, per minute: both extensions at once.

    selection = AmfOutcomesCost(SelectionConfig()).select(problem)

    c_n = argmax_c' I(c') / t(c')

with the information gain I under variances corrected by roll-outs
(:mod:`amf_ros.selection.outcome_correction`) and the minutes t of :mod:`amf_ros.selection.costs`.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.costs import minutes
from amf_ros.selection.gain_strategy import GainStrategy
from amf_ros.selection.outcome_correction import corrected_by_outcomes


class AmfOutcomesCost(GainStrategy):
    """Chooses by expected information gain, corrected by outcomes, per minute of demonstrating."""

    name = "amf_outcomes_cost"

    def __init__(self, config: SelectionConfig | None = None) -> None:
        super().__init__(config, features=corrected_by_outcomes, rescale=False, price=minutes)
