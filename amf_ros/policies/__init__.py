"""Policies: what acts. Arrays in, arrays out; torch inside.

    base.py        protocols: Policy (infer, embed, save) and Trainable (what cloning needs)
    flat.py        FlatView: observations as vectors, for what takes nothing else
    gp.py          GpPolicy: a Gaussian process
    mlp.py         MlpPolicy: task-conditioned multi-layer perceptron with action chunks
    network.py     its torch modules: Standardise, ChunkNetwork
    prior.py       AdaptivePrior: how far each task has moved from the pre-trained policy
    torch_threads.py  how many threads torch takes
    controller.py  ChunkController: one action per control period, in-process and in the executor node

May import core and contract; never arm, tasks, selection or store.

    chunk = MlpPolicy.create(spec, steps, TrainingConfig(), seed=0).infer(observations, tasks)   # (B, H, a)
"""
