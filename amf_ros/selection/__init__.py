"""Which task to demonstrate next. Receives arrays and ids, never a policy or a message.

    base.py          problem, selection, the strategy protocol, checks
    posterior.py     Gaussian posterior in weight space: gain, conditioning
    amf.py           expected information gain (the method)
    amf_outcomes.py  the same, about what the policy fails at
    amf_cost.py  amf_outcomes_cost.py   both per minute of demonstrating
    uniform.py  round_robin.py  least_demonstrated.py  rebalancing.py  audit_then_count.py
    uncertainty.py  largest_loss.py  lowest_success.py   the baselines
    counting.py  outcomes.py   what baselines share: counting a batch as it goes, success rates
    variances.py     what is not known of the states that tasks visit
    costs.py         what a demonstration takes the operator, learned
    importance.py    weights of demonstrations for tasks they are not of
    proposals.py     maximising a score over continuous task parameters
    threads.py       BLAS on one thread

Imports types, errors and config only.
"""
