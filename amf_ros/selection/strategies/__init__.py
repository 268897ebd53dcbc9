"""Rules for the next task, one file each, by the names of :mod:`amf_ros.core.plugins`.

    strategy = load("strategy", "amf")(SelectionConfig())

The five forms of AMF are composed in :class:`amf_ros.selection.gain_strategy.GainStrategy`: features (of a
network, of a kernel, corrected by outcomes) x information gain x price. Baselines that count tasks one by one
share :mod:`amf_ros.selection.counting`; they choose among candidates that are targets.
"""
