"""Knowledge: what a selection strategy is told, made from checkpoint, demonstrations and roll-outs.

    problem.py           the question as arrays: features, counts, coverage, outcomes
    embeddings.py        trajectories as features, each made once;  trajectories.py: as states
    uncertainty/         uncertainty models by name: what makes a state a feature vector
    occupancy.py         occupancies by name: which states stand for a task
    cover.py             what demonstrations cover
    anchors.py           what an audit of the pre-trained policy shows to work, in demonstrations
    evaluations.py       counts of what was tried: attempts at demonstrating, roll-outs and their successes
    losses.py            how well a policy repeats the demonstrations
    parametric_tasks.py  tasks with continuous parameters: which one to demonstrate

May import learning and rollout and everything below them.
"""
