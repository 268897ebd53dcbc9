"""Uncertainty sampling with a Gaussian process over plain inputs: the baseline that belongs to AMF-GP.

    selection = UncertaintyGp(SelectionConfig()).select(problem)

    c_n = argmax_c E_{s ~ rho_c} [ v(s, c) ],    v the posterior variance under SelectionConfig.kernel

See :mod:`amf_ros.selection.uncertainty` for the rule and :mod:`amf_ros.selection.amf_gp` for the model.
"""

from __future__ import annotations

from amf_ros.selection.base import Problem
from amf_ros.selection.kernels import in_weight_space
from amf_ros.selection.uncertainty import Uncertainty


class UncertaintyGp(Uncertainty):
    """Largest mean posterior variance of the candidate's own states, with a kernel."""

    name = "uncertainty_gp"

    def _features(self, problem: Problem) -> Problem:
        return in_weight_space(problem, self._config)
