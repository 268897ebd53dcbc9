"""AMF that looks at outcomes: roll-outs correct how well the posterior believes to know each task.

    selection = AmfOutcomes(SelectionConfig()).select(problem)

    c_n = argmax_c' I(c')

with I the expected information gain of arXiv 2410.05026, eq. 2, under variances that agree with what the
policy was seen to do (:mod:`amf_ros.selection.outcome_correction`). A covered task that fails is
demonstrated, one that works is not, and who teaches whom stays a matter of the correlations. The gain falls
with the failures, and with it the reason to go on (``SelectionConfig.stop_below``). Without any roll-out it
is AMF; it asks for no more of them than AMF does, and uses the labels that a session has anyway.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.gain_strategy import GainStrategy
from amf_ros.selection.outcome_correction import corrected_by_outcomes


class AmfOutcomes(GainStrategy):
    """Chooses by expected information gain, corrected by outcomes."""

    name = "amf_outcomes"

    def __init__(self, config: SelectionConfig | None = None) -> None:
        super().__init__(config, features=corrected_by_outcomes, rescale=False)
