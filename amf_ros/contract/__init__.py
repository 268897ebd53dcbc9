"""The contract: which topics are the policy's observations and actions; one file per robot and sensors.

``spec`` is the YAML file as models, ``features`` turns named joints and poses into numbers, ``contract``
puts both to work. Recording, training and serving all go through :class:`Contract`, so the arrays a
policy learns from and those it is asked about come from the same lines of code. ``intake`` judges each
message on arrival, ``clocks`` measures how far a stream's stamps lie from its arrivals, ``align`` says which
messages belong to an instant, and ``serving`` does all three as messages come. ``interface`` is what a policy
is checked against: a contract, or the names that a suite with its own simulator gives.
Imports types, errors, paths and config only.

    contract = load_contract("panda_tabletop")
    observation = contract.observe({"joint_states": joints, "scene_state": scene}, task.roles)
"""

from amf_ros.contract.contract import Contract, load_contract
from amf_ros.contract.layout import Interface, ObservationLayout, SuiteInterface
from amf_ros.contract.topics import Topic

__all__ = ["Contract", "Interface", "ObservationLayout", "SuiteInterface", "Topic", "load_contract"]
