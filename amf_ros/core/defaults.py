"""What is used where nobody says otherwise: the one place for the defaults that several commands, nodes and
files share. Imports nothing, so that the list of nodes can be read before anything is installed.
"""

SUITE = "tabletop"
"""The task suite: a registered name."""

CONTRACT = "panda_tabletop"
"""The contract: a name in ``config/contracts``."""

ROBOT = "pybullet"
"""The arm: a registered name."""

STRATEGY = "amf_outcomes"
"""How the next task is chosen: a registered name. Without labelled roll-outs it chooses as ``amf`` does."""

SESSION_DIRECTORY = "runs/default"
"""Where demonstrations, roll-outs, checkpoints and the journal are kept."""

REAL_TIME_FACTOR = 1.0
"""Speed of simulated time; 0 is lock-step."""

CAMERA_SIZE = (320, 240)
"""Width and height of the pictures that a simulated camera takes [pixel]."""
