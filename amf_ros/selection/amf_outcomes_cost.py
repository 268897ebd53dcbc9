"""AMF about what the policy fails at, per minute: both extensions at once.

    selection = AmfOutcomesCost(SelectionConfig()).select(problem)

    c_n = argmax_c' E_{c ~ mu'} E_{s ~ rho_c} [ I(pi*(s, c) ; tau(c') | D) ] / t(c')

with mu' as in :mod:`amf_ros.selection.amf_outcomes` and t as in :mod:`amf_ros.selection.amf_cost`.
"""

from __future__ import annotations

from amf_ros.selection.amf_cost import AmfCost
from amf_ros.selection.amf_outcomes import AmfOutcomes


class AmfOutcomesCost(AmfOutcomes, AmfCost):
    """Expected information gain about what fails, per minute of demonstrating."""

    name = "amf_outcomes_cost"
