"""Uncertainty models: what makes a state of a task a feature vector, so that inner products are covariances.

    base.py        the protocol, states as models see them, what a model may ask of a policy
    features.py    features: the frozen last hidden layer
    gradients.py   loss_gradient, loss_gradient_predictive, full_gradient
    dropout.py     dropout of the last layer, in closed form
    ensemble.py    ensemble of heads with random priors
    projection.py  random projection of Kronecker products
    loading.py     a model by its registered name, and what it learns from pre-training

All work on pi_0, which never changes in a session. May import config, registry, errors and policies.base.

    model = make_model("dropout", checkpoint.policy, fitted={})
    phi = model.embed(States(observations, tasks))             # (n, p)
"""
