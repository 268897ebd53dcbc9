"""Algorithm 1 over protocols: select, demonstrate, fine-tune, evaluate, again.

    plan.py       what is asked for, and the seeds that follow from it
    base.py       phases, states, and the worker protocol
    journal.py    SQLite: every step done, so that a killed session continues where it was
    loop.py       the algorithm
    summary.py    what a journal says, for reports
    local.py      the worker without ROS, and ``run_local``; what it keeps: stores.py
    memory.py     ``run_in_memory``: the same without files, for benchmarks; stores.py: what both keep

Imports training and everything below it; never ROS. ``amf_ros.ros.session_worker`` is the other worker.
"""
