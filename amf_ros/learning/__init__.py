"""Learning: from demonstrations to checkpoints.

    batches.py        demonstrations -> the steps that are cloned
    cloning.py        behavioural cloning: pre-training and fine-tuning loops
    fine_tuning.py    the fine-tuning of one round, from checkpoint to checkpoint
    checkpoints.py    policies on disk: safetensors and YAML, whole or not at all;  checkpoint_folder.py: many
    checkpoint_description.py    what one says of itself
    checkpoint_fit.py whether one fits the robot and the suite at hand
    coverage.py       what pre-training covered, as a checkpoint keeps it

May import core, contract, tasks, policies, selection and store.
"""
