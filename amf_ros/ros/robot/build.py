"""Makes what the robot node drives: the arm that its parameters name, behind gate, arbiter and turns.

turns = build(node, settings, contract, suite)
"""

from __future__ import annotations

import time

from rclpy.node import Node

from amf_ros.arm.arbiter import Arbiter
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.loading import make_arm
from amf_ros.arm.protocol import EPISODE_GAP_NS, RobotContext, Slowable
from amf_ros.arm.turns import LockStep, RealTime, make_turns
from amf_ros.contract import Contract
from amf_ros.ros.settings import RobotSettings
from amf_ros.sim.protocol import is_simulator
from amf_ros.tasks.base import RobotSuite

HARDWARE_SCALE = 0.25
"""Share of the velocity limits of an arm that is no simulator, where nobody says otherwise."""


def build(node: Node, settings: RobotSettings, contract: Contract, suite: RobotSuite) -> LockStep | RealTime:
    """Make the arm, and what stands before it.

    Raises:
        UnknownName: no robot of that name.
        ConfigError: the robot cannot be made or has limits that bound nothing, or its time cannot be passed
            as ``real_time_factor`` asks.
        ContractError: the contract names joints, roles or scene objects that robot or suite lack.
    """
    # Simulated time starts at wall time, so that a restarted robot's stamps are not its predecessor's.
    start_ns = time.time_ns() // contract.period_ns * contract.period_ns
    context = RobotContext(suite, contract.fps, settings.robot_config, start_ns, EPISODE_GAP_NS, node)
    arm = make_arm(settings.robot, context)
    scene = arm.scene_state().names if is_simulator(arm) else None
    contract.check_robot(arm.joint_names, scene, suite.tasks)
    usual = 1.0 if is_simulator(arm) else getattr(arm, "velocity_scale", HARDWARE_SCALE)
    scale = settings.velocity_scale or usual
    if isinstance(arm, Slowable):
        arm.slow_to(scale)
    gate = SafetyGate(arm.limits, 1.0 / contract.fps, velocity_scale=scale)
    arbiter = Arbiter(gate, watchdog_ns=contract.watchdog_ns, lookahead=getattr(arm, "lookahead", 0))
    factor, max_age_ns = settings.real_time_factor, contract.joints_age_ns
    return make_turns(arm, arbiter, real_time_factor=factor, max_age_ns=max_age_ns)
