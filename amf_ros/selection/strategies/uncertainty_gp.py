"""Uncertainty sampling with a Gaussian process over plain inputs: the baseline that belongs to AMF-GP.

    selection = UncertaintyGp(SelectionConfig()).select(problem)

    c_n = argmax_c E_{s ~ rho_c} [ v(s, c) ],    v the posterior variance under SelectionConfig.kernel

See :mod:`amf_ros.selection.strategies.uncertainty` for the rule and
:mod:`amf_ros.selection.strategies.amf_gp` for the model.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.strategies.uncertainty import Uncertainty
from amf_ros.selection.weight_space import in_weight_space


class UncertaintyGp(Uncertainty):
    """Chooses the largest mean posterior variance of the candidate's own states, with a kernel."""

    name = "uncertainty_gp"

    def __init__(self, config: SelectionConfig | None = None) -> None:
        super().__init__(config, features=in_weight_space)
