"""The parameters of every node as models: every default, range and description, once.

``config/params.yaml`` shows them all; :mod:`amf_ros.ros.params_file` writes it from here.

settings = declare(node, RobotSettings)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from amf_ros.core.config import Model, SelectionConfig, TrainingConfig
from amf_ros.core.defaults import CONTRACT, REAL_TIME_FACTOR, ROBOT, SESSION_DIRECTORY, SUITE


class SuiteSettings(Model):
    """What every node needs to know."""

    suite: str = Field(SUITE, description="task suite: a registered name, or package.module:Class")
    contract: str = Field(CONTRACT, description="contract: a name in config/contracts, or a path")


class DataSettings(SuiteSettings):
    """Nodes that read or write the session directory."""

    session_directory: str = Field(
        SESSION_DIRECTORY, description="demonstrations, checkpoints, session state"
    )


class PolicySettings(DataSettings):
    """Nodes that load checkpoints."""

    allowed_policies: tuple[str, ...] = Field(
        (), description="package.module:Class of policies that a checkpoint may name beside registered ones"
    )


class RobotSettings(SuiteSettings):
    """robot."""

    robot: str = Field(ROBOT, description="the arm: a registered name, or package.module:Object")
    robot_config: str = Field(
        "", description="the file that describes the arm, for robots that read one; pybullet reads none"
    )
    real_time_factor: float = Field(
        REAL_TIME_FACTOR,
        ge=0.0,
        le=100.0,
        description="speed of simulated time; 0 = lock-step: advance with each command",
    )
    velocity_scale: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="fraction of the URDF's joint velocities allowed; 0 = all of them in simulation, on "
        "other arms what the robot file says, or 0.25",
    )
    republish_s: float = Field(
        0.2, gt=0.0, le=10.0, description="lock-step: repeat the state when nothing came [s]"
    )
    state_directory: str = Field(
        "", description="where it is kept that the robot is stopped; empty = amf_ros in ROS_HOME (~/.ros)"
    )
    camera_hz: float = Field(
        0.0, ge=0.0, le=60.0, description="pictures per second of robot time; 0 = no camera"
    )
    camera_width: int = Field(320, ge=16, le=1920, description="[pixel]")
    camera_height: int = Field(240, ge=16, le=1080, description="[pixel]")


class MockArmSettings(Model):
    """mock_arm."""

    robot_config: str = Field("", description="the arm's robot file: a name in config/robots, or a path")
    rate_hz: float = Field(100.0, ge=5.0, le=1000.0, description="states per second [Hz]")
    lag_ms: float = Field(0.0, ge=0.0, le=1000.0, description="time constant of the joints' lag [ms]")
    steady_error: float = Field(
        0.0, ge=-0.1, le=0.1, description="by which joints stay below their targets [rad or m]"
    )
    noise: float = Field(0.0, ge=0.0, le=0.1, description="standard deviation of states [rad or m]")
    jitter_ms: float = Field(0.0, ge=0.0, le=1000.0, description="states come late by up to this [ms]")
    split_states: bool = Field(False, description="the last joint has messages of its own")
    velocities: bool = Field(True, description="states hold velocities")


class SelectorSettings(PolicySettings):
    """task_selector."""

    watch_s: float = Field(
        1.0, gt=0.0, le=3600.0, description="how often the session directory is looked at for news [s]"
    )
    threads: int = Field(128, ge=4, le=1024, description="callers that may wait for an answer at one time")
    answer_s: float = Field(20.0, gt=0.0, le=3600.0, description="how long one answer may take [s]")
    allowed_strategies: tuple[str, ...] = Field(
        (), description="package.module:Class of strategies that a request may name beside registered ones"
    )
    selection: SelectionConfig = SelectionConfig()


class DemonstratorSettings(DataSettings):
    """Nodes that must know who demonstrates."""

    demonstrator: Literal["expert", "person"] = Field(
        "expert", description="who demonstrates in this graph; kept as the source of its recordings"
    )


class RecorderSettings(DemonstratorSettings):
    """demo_recorder."""

    real_time_factor: float = Field(
        REAL_TIME_FACTOR,
        ge=0.0,
        le=100.0,
        description="as the robot's; 0 = lock-step: stamps say nothing of delays",
    )
    max_duration_s: float = Field(120.0, gt=0.0, description="of one demonstration, robot clock [s]")
    arrival_timeout_s: float = Field(
        5.0, gt=0.0, description="a required topic silent for this long at the start is missing [s]"
    )
    command_timeout_s: float = Field(
        30.0, gt=0.0, description="a demonstrator who sends nothing for this long is missing [s]"
    )
    stream_timeout_s: float = Field(5.0, gt=0.0, description="a stream silent for this long has stopped [s]")


class TeleopSettings(SuiteSettings):
    """teleop."""

    real_time_factor: float = Field(
        REAL_TIME_FACTOR,
        ge=0.0,
        le=100.0,
        description="as the robot's; 0 = act upon each state",
    )
    dwell: int = Field(5, ge=1, description="states in a row that must satisfy the task [steps]")


class TunerSettings(PolicySettings):
    """fine_tuner."""

    training: TrainingConfig = TrainingConfig()


class ExecutorSettings(PolicySettings):
    """policy_executor."""

    real_time_factor: float = Field(
        REAL_TIME_FACTOR,
        ge=0.0,
        le=100.0,
        description="as the robot's; 0 = act upon each state",
    )
    dwell: int = Field(5, ge=1, description="states in a row that must satisfy the task [steps]")
    state_timeout_s: float = Field(
        3.0, gt=0.0, description="no new state for this long is stale, wall clock [s]"
    )


class SessionSettings(DemonstratorSettings):
    """session."""

    server_timeout_s: float = Field(60.0, gt=0.0, description="how long a server may be away, restarting [s]")
    step_timeout_s: float = Field(1800.0, gt=0.0, description="how long one step may take [s]")
    allowed_strategies: tuple[str, ...] = Field(
        (), description="package.module:Class of strategies that a goal may name beside registered ones"
    )


SETTINGS: Mapping[str, type[Model]] = {
    "robot": RobotSettings,
    "mock_arm": MockArmSettings,
    "task_selector": SelectorSettings,
    "demo_recorder": RecorderSettings,
    "teleop": TeleopSettings,
    "fine_tuner": TunerSettings,
    "policy_executor": ExecutorSettings,
    "session": SessionSettings,
}
"""The parameters of each node, by its name."""
