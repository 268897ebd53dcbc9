"""robot: the only writer to the arm. Every command, a person's or the policy's, passes its safety gate.

Subscribes to the contract's command topics and ``stop``; publishes the contract's state topics, the
commands as it applied them, ``robot/status`` (latched) and ``/clock``; serves ``robot/reset_scene``,
``robot/stop`` and ``robot/release_stop``. A stop is kept on disk and outlives the node.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from rclpy.clock import Clock, ClockType
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.srv import ResetScene
from amf_ros.arm.driver import Driver
from amf_ros.arm.gate import SafetyGate
from amf_ros.arm.protocol import Slowable
from amf_ros.contract import load_contract
from amf_ros.contract.codecs import joint_plan
from amf_ros.core.errors import BadRequest, DataError, RobotFault, StorageError, UnknownName
from amf_ros.core.plugins import load
from amf_ros.ros import names, qos, requests
from amf_ros.ros.conversions import time_msg
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.robot.sole import Sole
from amf_ros.ros.robot.stopping import StopFile, stop_path
from amf_ros.ros.robot.topics import RobotTopics
from amf_ros.ros.settings import RobotSettings
from amf_ros.sim.staging import load_staging
from amf_ros.tasks.loading import load_robot_suite

NEWS_S = 0.5


class RobotNode(AmfNode):
    """A simulated robot on topics; lock-step or real time."""

    def __init__(self) -> None:
        super().__init__("robot")
        self._sole = Sole(self, self._give_up, self._stop)
        self._settings = settings = declare(self, RobotSettings)
        self._contract = contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        self._sole.confirm()
        robot = load("robot", settings.robot)(load_staging(self._suite).scene(), contract.fps)
        _, scene = robot.state()
        contract.check_robot(robot.joint_names, scene.names, self._suite.tasks)
        if isinstance(robot, Slowable):
            robot.slow_to(settings.velocity_scale)
        gate = SafetyGate(robot.limits, 1.0 / contract.fps, velocity_scale=settings.velocity_scale)
        # Stamps start at wall time, so that those of a restarted robot are not those of its predecessor.
        start_ns = time.time_ns() // contract.period_ns * contract.period_ns
        self._driver = Driver(robot, gate, start_ns=start_ns, watchdog_ns=contract.watchdog_ns)
        self._topics = RobotTopics(self, contract, self._driver, settings)
        domain = self.context.get_domain_id()
        self._kept = StopFile(stop_path(settings.state_directory, domain, self.get_namespace()))
        stopped, self._is_kept = self._kept.read(simulated=getattr(robot, "simulated", False)), True
        if stopped:
            self._driver.stop(stopped)
            self._say_stopped(stopped)
        self._take = self._answer if settings.real_time_factor == 0.0 else self._offer
        self._listen()
        self._make_timers()
        self._topics.publish_status()
        self._topics.publish_state()
        mode = f"{settings.real_time_factor:g} x real time" if settings.real_time_factor else "lock-step"
        self.get_logger().info(
            f"{settings.robot}: {len(robot.joint_names)} joints at {contract.fps:g} Hz, {mode}"
        )

    def _listen(self) -> None:
        for topic, teleop in ((self._contract.command, True), (self._contract.published, False)):
            callback = partial(self._on_command, teleop)
            self.create_subscription(JointTrajectory, topic.address, callback, qos.STREAM)
        for profile in qos.STOPS:
            self.create_subscription(Empty, names.STOP_TOPIC, lambda _: self._stop("stop topic"), profile)
        self.create_subscription(Bool, names.STOP_ASKED, self._on_stop_asked, qos.LATCHED_BY_MANY)
        self.create_service(ResetScene, names.RESET_SCENE, self._on_reset)
        self.create_service(Trigger, names.STOP, self._on_stop)
        self.create_service(Trigger, names.RELEASE_STOP, self._on_release)

    def _make_timers(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        factor = self._settings.real_time_factor
        if factor > 0.0:
            self.create_timer(1.0 / (self._contract.fps * factor), self._tick, clock=steady)
        else:
            self.create_timer(self._settings.republish_s / 2, self._republish, clock=steady)
        self.create_timer(NEWS_S, self._topics.publish_news, clock=steady)

    def _on_command(self, teleop: bool, msg: JointTrajectory) -> None:
        try:
            self._take(msg, teleop)
        except (RobotFault, DataError) as error:
            self._topics.refuse(error)

    def _answer(self, msg: JointTrajectory, teleop: bool) -> None:
        if self._driver.answer(joint_plan(msg), teleop=teleop):
            self._topics.publish_step()

    def _offer(self, msg: JointTrajectory, teleop: bool) -> None:
        plan, topic = joint_plan(msg), self._contract.command if teleop else self._contract.published
        stamp_ns = topic.stamp_ns(plan.stamp_ns, self._driver.stamp_ns)
        self._driver.offer(plan, teleop=teleop, stamp_ns=stamp_ns)

    def _tick(self) -> None:
        try:
            self._driver.tick()
        except RobotFault as error:
            self._topics.refuse(error)
        self._topics.publish_step()

    def _republish(self) -> None:
        if time.monotonic() - self._topics.published_s >= self._settings.republish_s:
            self._topics.publish_state()

    def _on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        try:
            task_id, seed = requests.reset(request)
            response.stamp = time_msg(self._driver.reset(self._suite.task(task_id).id, seed))
        except BadRequest as error:
            response.error_code, response.error_msg = ResetScene.Response.BAD_REQUEST, str(error)
        except UnknownName as error:
            response.error_code, response.error_msg = ResetScene.Response.UNKNOWN_TASK, str(error)
        except RobotFault as error:
            response.error_code, response.error_msg = ResetScene.Response.NOT_READY, str(error)
        else:
            self._topics.publish_status()  # before the state: who has heard of both knows the episode
            self._topics.publish_state()
        return response

    def _give_up(self, reason: str) -> None:
        self.guard.broken = reason  # started again, it refuses to start as long as the other one is there

    def _stop(self, reason: str) -> None:
        """Stop, then keep it: a disk that is full must not keep the arm moving. Each one is answered."""
        if self._driver.gate.stopped is None:
            self._driver.stop(reason)
            self._keep(reason)
            self._say_stopped(reason)
        elif not self._is_kept:
            self._keep(reason)
        self._topics.publish_status()

    def _keep(self, reason: str) -> None:
        self._is_kept = False
        try:
            self._kept.write(reason)
            self._is_kept = True
        except StorageError as error:
            self.get_logger().error(f"a restarted robot node will not know of this: {error}")

    def _say_stopped(self, reason: str) -> None:
        self.get_logger().warning(f"stopped ({reason}); {names.RELEASE_STOP} allows motion again")

    def _on_stop_asked(self, asked: Bool) -> None:
        if asked.data:
            self._stop("stop topic, while the robot node was away")

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop("stop service")
        response.success, response.message = True, "the arm holds until robot/release_stop"
        return response

    def _on_release(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._driver.release()
        self._keep("")
        self._topics.publish_status()
        response.success, response.message = True, "the arm may move"
        return response

    def secure(self, error: BaseException) -> None:
        """Hold after something unforeseen, and say so where a reset broke off."""
        self._driver.halt()
        self._topics.publish_news()

    def begin_shutdown(self) -> None:
        """Tell everybody that the arm no longer listens, then free the simulator. A stop is still kept."""
        self._driver.close("the robot node is shutting down")
        self._topics.publish_status()


def main() -> int:
    """Entry point."""
    return run(RobotNode)


if __name__ == "__main__":
    sys.exit(main())
