"""Time and turns of a robot: lock-step, real time, and who may command."""

from __future__ import annotations

import numpy as np
import pytest

from amf_ros.errors import RobotFault
from amf_ros.robots.base import JointLimit
from amf_ros.robots.driver import EPISODE_GAP_NS, Driver
from amf_ros.robots.episode import Episode, Turn
from amf_ros.robots.safety import SafetyGate
from amf_ros.types import JointCommand, JointState, SceneState

PERIOD = 50_000_000
WATCHDOG = 150_000_000
LIMITS = {"a": JointLimit(-10.0, 10.0, 4.0, 1.0)}


class Point:
    """One joint that is where it was told to be."""

    control_hz = 20.0
    joint_names = ("a",)
    limits = LIMITS

    def __init__(self) -> None:
        self.position = 0.0
        self.received: list[float | None] = []

    def reset(self, task_id: str, seed: int) -> None:
        self.position = float(seed)

    def state(self) -> tuple[JointState, SceneState]:
        joints = JointState(0, ("a",), np.array([self.position]), np.zeros(1))
        return joints, SceneState(0, ("thing",), np.array([[self.position, 0, 0, 0, 0, 0, 1.0]]))

    def step(self, command: JointCommand | None) -> None:
        self.received.append(None if command is None else float(command.position[0]))
        if command is not None:
            self.position = float(command.position[0])

    def close(self) -> None:
        pass


@pytest.fixture
def driver() -> Driver:
    return Driver(Point(), SafetyGate(LIMITS, 0.05), start_ns=1_000, watchdog_ns=WATCHDOG)


def command(stamp_ns: int, position: float = 0.1) -> JointCommand:
    return JointCommand(stamp_ns, ("a",), np.array([position]))


def test_lock_step_moves_only_for_answers_to_the_current_state(driver: Driver) -> None:
    assert not driver.answer(command(999), teleop=False)
    assert driver.answer(command(1_000), teleop=False)
    assert not driver.answer(command(1_000), teleop=False)
    joints, scene = driver.state()
    assert joints.stamp_ns == scene.stamp_ns == driver.stamp_ns == 1_000 + PERIOD
    assert joints.position.tolist() == [0.1]


def test_a_reset_is_seen_from_the_stamps(driver: Driver) -> None:
    first = driver.reset("any", 3)
    assert first - 1_000 >= EPISODE_GAP_NS and driver.episode == 1
    assert driver.state()[0].position.tolist() == [3.0]
    driver.gate.stop("button")
    with pytest.raises(RobotFault, match="button"):
        driver.reset("any", 3)
    assert driver.episode == 1


def test_a_refused_command_moves_nothing(driver: Driver) -> None:
    with pytest.raises(RobotFault):
        driver.answer(command(1_000, float("nan")), teleop=False)
    assert driver.stamp_ns == 1_000 and driver.robot.received == []


def test_teleop_shuts_the_policy_out_for_as_long_as_the_watchdog(driver: Driver) -> None:
    assert driver.answer(command(driver.stamp_ns), teleop=True)
    for _ in range(3):
        assert not driver.answer(command(driver.stamp_ns), teleop=False)
        driver.tick()
    assert driver.answer(command(driver.stamp_ns), teleop=False)


def test_real_time_takes_the_newest_command_and_refuses_old_ones(driver: Driver) -> None:
    assert driver.offer(command(1_000, 0.1), teleop=False)
    assert driver.offer(command(1_000, 0.15), teleop=False)
    driver.tick()
    assert driver.robot.received == [0.15]
    assert not driver.offer(command(driver.stamp_ns - WATCHDOG - 1), teleop=False)


def test_real_time_holds_once_commands_are_silent_for_the_watchdog(driver: Driver) -> None:
    driver.offer(command(1_000, 0.1), teleop=False)
    for _ in range(6):
        driver.tick()
    assert driver.robot.received == [0.1, None, None, 0.1, None, None]  # held where measured, once
    assert driver.stamp_ns == 1_000 + 6 * PERIOD


def test_real_time_goes_on_while_stopped_and_holds(driver: Driver) -> None:
    driver.gate.stop("button")
    with pytest.raises(RobotFault, match="button"):
        driver.offer(command(1_000), teleop=True)
    driver.tick()
    assert driver.robot.received == [0.0] and driver.stamp_ns == 1_000 + PERIOD


def test_a_command_refused_at_its_tick_is_replaced_by_a_hold(driver: Driver) -> None:
    driver.offer(command(1_000, float("inf")), teleop=False)
    with pytest.raises(RobotFault, match="not finite"):
        driver.tick()
    assert driver.robot.received == [0.0] and driver.stamp_ns == 1_000 + PERIOD


def turns(episode: Episode, *stamps: int) -> list[Turn]:
    return [episode.turn(stamp) for stamp in stamps]


def test_an_episode_acts_once_per_state_from_its_start_on() -> None:
    episode = Episode(5 * PERIOD, 2 * PERIOD, exact=True)
    seen = turns(episode, 4 * PERIOD, 5 * PERIOD, 5 * PERIOD, 6 * PERIOD)
    assert seen == [Turn.IGNORE, Turn.ACT, Turn.REPEAT, Turn.ACT]
    assert not episode.timed_out
    assert episode.turn(7 * PERIOD) is Turn.ACT and episode.timed_out
    assert episode.elapsed_s == pytest.approx(0.1)


@pytest.mark.parametrize("next_ns", [5 * PERIOD + EPISODE_GAP_NS, 4 * PERIOD])
def test_a_jump_of_the_clock_is_another_episode(next_ns: int) -> None:
    episode = Episode(0, 100 * PERIOD, exact=False)
    assert turns(episode, 5 * PERIOD, next_ns) == [Turn.ACT, Turn.LOST]


def test_in_lock_step_nobody_joins_an_episode_that_has_begun() -> None:
    assert Episode(5 * PERIOD, PERIOD, exact=True).turn(6 * PERIOD) is Turn.LOST
    assert Episode(5 * PERIOD, PERIOD, exact=False).turn(6 * PERIOD) is Turn.ACT
    assert Episode(0, PERIOD, exact=True).turn(6 * PERIOD) is Turn.ACT
