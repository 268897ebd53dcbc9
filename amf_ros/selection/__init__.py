"""Which task to demonstrate next. Receives arrays and ids, never a policy or a message.

    base.py          problem, selection, the strategy protocol, checks
    posterior.py     Gaussian posterior in weight space: gain, conditioning
    amf.py           expected information gain (the method)
    amf_outcomes.py  the same, about what the policy fails at
    uniform.py  round_robin.py  rebalancing.py   the baselines
    threads.py       BLAS on one thread

Imports types, errors and config only.
"""
