"""The contract: which topics are the policy's observations and actions; one file per robot and sensors.

Recording, training and serving all go through :class:`Contract`, so the arrays a policy learns from and those
it is asked about come from the same lines of code.

    spec, feature_spec   the YAML file as models
    codecs, pictures     ROS messages <-> values: the one list of message types; what is seen of a picture
    features, observing  named joints, poses, numbers and pictures -> a frame
    layout               entries of a frame; the interface that a policy is checked against
    contract, topics     all of this put to work: read, observe, encode, decode
    intake, stamps       can this message be used?
    holes                are states missing in the middle of a demonstration?
    clocks               how far a stream's stamps lie from its arrivals
    align, serving       which messages belong to an instant; the same as they come

Imports core only.

    contract = load_contract("panda_tabletop")
    observation = contract.observe({"joint_states": joints, "scene_state": scene}, task.roles)
"""

from amf_ros.contract.contract import Contract, load_contract
from amf_ros.contract.layout import Interface, ObservationLayout, SuiteInterface
from amf_ros.contract.topics import Topic

__all__ = ["Contract", "Interface", "ObservationLayout", "SuiteInterface", "Topic", "load_contract"]
