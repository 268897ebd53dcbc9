"""Pictures of a PyBullet world, taken in a second world that only shows. Imports nothing of this package.

Loading what is seen takes five times as long as loading what is touched, and the simulation is rebuilt at
every reset; so the simulation goes without, and the camera's world is loaded once and copies its poses.

Usage::

    camera = PyBulletCamera(load)                    # load(client) fills an empty world
    picture = camera.picture(client, 320, 240)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amf_ros.sim.bullet import pybullet

_EYE, _CENTRE = (1.75, 0.55, 1.05), (0.38, 0.03, 0.10)  # [m]
_FIELD_OF_VIEW_DEG = 42.0


class PyBulletCamera:
    """A fixed camera in front of the table, with a world of its own.

    Args:
        load: fills an empty client with the bodies of the simulated world, in the same order.
    """

    def __init__(self, load: Callable[[int], None]) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        load(self._client)

    def picture(self, client: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return what the world of ``client`` looks like now, (height, width, 3); holds the GIL meanwhile."""
        self._copy(client)
        _, _, rgba, _, _ = pybullet.getCameraImage(
            width,
            height,
            pybullet.computeViewMatrix(_EYE, _CENTRE, (0, 0, 1)),
            pybullet.computeProjectionMatrixFOV(_FIELD_OF_VIEW_DEG, width / height, 0.1, 6.0),
            lightDirection=(0.8, -0.6, 2.0),
            lightAmbientCoeff=0.6,
            lightDiffuseCoeff=0.45,
            lightSpecularCoeff=0.05,
            shadow=0,  # TinyRenderer's shadow map does not cover the table and leaves a seam
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=self._client,
        )
        return np.asarray(rgba, dtype=np.uint8).reshape(height, width, 4)[..., :3].copy()

    def close(self) -> None:
        """Free the camera's world; closing twice is fine."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1

    def _copy(self, client: int) -> None:
        for i in range(pybullet.getNumBodies(physicsClientId=client)):
            body = pybullet.getBodyUniqueId(i, physicsClientId=client)
            shown = pybullet.getBodyUniqueId(i, physicsClientId=self._client)
            pose = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
            pybullet.resetBasePositionAndOrientation(shown, *pose, physicsClientId=self._client)
            for joint in range(pybullet.getNumJoints(body, physicsClientId=client)):
                position = pybullet.getJointState(body, joint, physicsClientId=client)[0]
                pybullet.resetJointState(shown, joint, position, physicsClientId=self._client)
