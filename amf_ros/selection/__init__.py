"""Which task to demonstrate next. Receives arrays and ids, never a policy or a message.

    base.py              problem, selection, the strategy protocol
    problem_checks.py    which problems are refused
    information_gain.py  eq. 2 of the paper: expected information gain, exact, in float64
    posterior.py         what is known of the expert: a Gaussian posterior in weight space
    scaled_problem.py    a problem as eq. 2 asks it: one scale, weighted states
    engine/              eq. 2 asked again and again, for up to thousands of tasks, behind open_scorer()
    gain_strategy.py     information gain as a strategy: features x gain x price
      weight_space.py        features of a kernel
      outcome_correction.py  features corrected by what the policy was seen to do
      costs.py               the price: what a demonstration takes the operator, learned
      reasons.py             sentences that say why
    strategies/          one rule per file: the five forms of AMF, and the baselines
      counting.py            what baselines share: whom to choose from, counting a batch as it goes
      success_rates.py       how often a task succeeds
      posterior_variance.py  how little is known of the states that tasks visit
    importance.py        weights of demonstrations for tasks they are not of
    parametric.py        maximising a score over continuous task parameters
    cancellation.py      giving up a choice that nobody waits for
    blas_threads.py      BLAS on one thread

Imports core only.
"""
