"""AMF-GP: the criterion of AMF with a Gaussian process over plain inputs as the policy.

    selection = AmfGp(SelectionConfig(kernel=KernelConfig(task_lengthscale=0.5))).select(problem)

Bagatella et al. 2025 (arXiv 2410.05026), section 4: eq. 2 with pi*(s, c) ~ GP(0, k_s(s, s') k_c(c, c')). The
rows of the problem are inputs [s, c] instead of a network's features; D is preceded by the inputs of the
pre-training (``Problem.anchors``), since the posterior after pre-training is this policy's prior.

Compared with AMF on a network's features: nothing is learned from data but lengthscales, so it needs inputs
in which near means alike; in return, unlike a linear model in frozen features, it never runs out of
directions that are still unknown.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.gain_strategy import GainStrategy
from amf_ros.selection.weight_space import in_weight_space


class AmfGp(GainStrategy):
    """Chooses by expected information gain with the kernel of ``SelectionConfig.kernel``."""

    name = "amf_gp"

    def __init__(self, config: SelectionConfig | None = None) -> None:
        super().__init__(config, features=in_weight_space)
