"""Training: from demonstrations to checkpoints, and from checkpoints to episodes.

    batches.py      demonstrations -> the steps that are cloned
    cloning.py      pre-training and fine-tuning loops
    tuning.py       one round's fine-tuning, from stored checkpoint to stored checkpoint
    checkpoints.py  policies on disk: safetensors and YAML, whole or not at all
    environment.py  a robot seen as vectors: contract, safety gate, judge, time limit
    rollouts.py     one episode of a policy or of a scripted expert
    problem.py      what the selection strategies are asked: features, counts and coverage
    pretrain.py     the pre-trained checkpoint from a YAML file

May import everything below: types, config, contract, tasks, policies, selection, data, robots.
"""
