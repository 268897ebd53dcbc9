"""AMF: demonstrate the task whose trajectory tells most about the expert on the target tasks.

    strategy = Amf(SelectionConfig(noise_variance=0.1))
    selection = strategy.select(problem)

    c_n = argmax_c' I(c')

with I the expected information gain of arXiv 2410.05026, eq. 2 (:mod:`amf_ros.selection.information_gain`).
"""

from __future__ import annotations

from amf_ros.selection.gain_strategy import GainStrategy


class Amf(GainStrategy):
    """Chooses by expected information gain over the features of a network."""

    name = "amf"
