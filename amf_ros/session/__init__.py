"""Algorithm 1 over protocols: select, demonstrate, fine-tune, evaluate, again.

    plan.py       what is asked for, and the seeds that follow from it
    base.py       phases, states, and the worker protocol
    pretraining.py  the first checkpoint, and the demonstrations that it learns from
    journal.py    SQLite: every step done, so that a killed session continues where it was
    loop.py       the algorithm; strategy_answers.py checks what strategies answer
    stores.py     what a session keeps, in its directory or in memory
    summary.py    what a journal says, for reports
    inspection.py one look at a session directory
    local.py      the worker without ROS, and ``run_local``
    memory.py     ``run_in_memory``: the same without files, for benchmarks

Imports knowledge and everything below it; never ROS. ``amf_ros.ros.session_worker`` is the other worker.
"""
