"""Which task to demonstrate next. Receives arrays and ids, never a policy or a message.

    base.py          problem, selection, the strategy protocol, checks
    posterior.py     Gaussian posterior in weight space: gain, conditioning
    amf.py           expected information gain (the method)
    question.py  workspace.py  blocks.py   what it asks of a problem, and keeps between calls
    certified.py     its choices made in float32 that are those of float64
    amf_outcomes.py  the same, with variances corrected by what the policy was seen to do
    amf_cost.py  amf_outcomes_cost.py   both per minute of demonstrating
    uniform.py  round_robin.py  least_demonstrated.py  rebalancing.py  audit_then_count.py
    uncertainty.py  largest_loss.py  lowest_success.py   the baselines
    counting.py  outcomes.py   what baselines share: counting a batch as it goes, success rates
    variances.py     what is not known of the states that tasks visit
    costs.py         what a demonstration takes the operator, learned
    importance.py    weights of demonstrations for tasks they are not of
    proposals.py     maximising a score over continuous task parameters
    threads.py       BLAS on one thread, blocks of work on several

Imports types, errors and config only.
"""
