"""The tabletop suite on stage: what its tasks need in a simulator. The tasks are in ``tasks/tabletop``.

    staging.py      TabletopStaging, what everybody else imports
    scene.py        the things themselves, in a PyBullet client
    starts.py       where a task starts, drawn from a seed
    experts/        scripted demonstrators as feedback laws
    kinematics.py   inverse kinematics for the experts
    assets/         URDFs of the fixtures

May import core, ``tasks/tabletop`` and this room.
"""

from amf_ros.sim.tabletop.staging import TabletopStaging

__all__ = ["TabletopStaging"]
