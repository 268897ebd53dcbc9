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

from amf_ros.selection.amf import Amf
from amf_ros.selection.base import Problem
from amf_ros.selection.kernels import in_weight_space


class AmfGp(Amf):
    """Expected information gain with the kernel of ``SelectionConfig.kernel``."""

    name = "amf_gp"

    def _features(self, problem: Problem) -> Problem:
        return in_weight_space(problem, self._config)
