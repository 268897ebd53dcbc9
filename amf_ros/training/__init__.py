"""Training: from demonstrations to checkpoints, and from checkpoints to episodes.

    batches.py      demonstrations -> the steps that are cloned
    cloning.py      pre-training and fine-tuning loops
    tuning.py       one round's fine-tuning, from checkpoint to checkpoint
    checkpoints.py  policies on disk: safetensors and YAML, whole or not at all
    environment.py  a robot seen as vectors: contract, safety gate, judge; which environment a suite has
    episode.py      what environments share;  suite_environment.py: the simulator that a suite brings
    suite_check.py  what would make a suite's numbers wrong
    rollouts.py     one episode of a policy or of a scripted expert
    problem.py      what the selection strategies are asked: features, counts and coverage
    uncertainty/    uncertainty models by name: states -> features
    trajectories.py  embeddings.py   trajectories as states, and as features that are made once
    occupancy.py    occupancies by name: which states stand for a task
    coverage.py     what pre-training covered, for each uncertainty model
    losses.py       how well a policy repeats the demonstrations
    pretrain.py     the pre-trained checkpoint: scripted demonstrations, cloned

May import everything below: types, config, contract, tasks, policies, selection, data, robots.
"""
