"""robot: the only writer to the arm. Every command, a person's or the policy's, passes its safety gate.

Subscribes to the contract's command topics and ``stop``; publishes the contract's state topics,
``robot/status`` (latched) and ``/clock``; serves ``robot/reset_scene``, ``robot/stop`` and
``robot/release_stop``.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Image
from sensor_msgs.msg import JointState as JointStateMsg
from std_msgs.msg import Empty, Header
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.msg import RobotStatus
from amf_msgs.msg import SceneState as SceneStateMsg
from amf_msgs.srv import ResetScene
from amf_ros.contract import Topic, load_contract
from amf_ros.data.messages import joint_command
from amf_ros.errors import ConfigError, DataError, RobotFault, UnknownName
from amf_ros.registry import load
from amf_ros.robots.base import Camera
from amf_ros.robots.driver import Driver
from amf_ros.robots.safety import SafetyGate
from amf_ros.ros import names, qos
from amf_ros.ros.conversions import joints_msg, scene_msg, time_msg
from amf_ros.ros.parameters import declare
from amf_ros.ros.runtime import AmfNode, run
from amf_ros.ros.settings import RobotSettings
from amf_ros.ros.sole import Sole
from amf_ros.tasks.loading import load_robot_suite


class RobotNode(AmfNode):
    """A simulated robot on topics; lock-step or real time."""

    def __init__(self) -> None:
        super().__init__("robot")
        self._sole = Sole(self, self._give_up, self._stop)
        self._settings = settings = declare(self, RobotSettings)
        contract = load_contract(settings.contract)
        suite = load_robot_suite(settings.suite)
        self._sole.confirm()
        robot = load("robot", settings.robot)(suite.scene(), contract.fps)
        _, scene = robot.state()
        contract.check_robot(robot.joint_names, scene.names, suite.tasks)
        gate = SafetyGate(robot.limits, 1.0 / contract.fps, velocity_scale=settings.velocity_scale)
        # Stamps start at wall time, so that those of a restarted robot are not those of its predecessor.
        start_ns = time.time_ns() // contract.period_ns * contract.period_ns
        self._driver = Driver(robot, gate, start_ns=start_ns, watchdog_ns=contract.watchdog_ns)
        self._fault = ""
        self._make_publishers(contract.topics)
        self._take = self._answer if settings.real_time_factor == 0.0 else self._offer
        for topic, teleop in ((contract.command.address, True), (contract.published.address, False)):
            self.create_subscription(JointTrajectory, topic, partial(self._on_command, teleop), qos.STREAM)
        self.create_subscription(Empty, names.STOP_TOPIC, lambda _: self._stop("stop topic"), qos.EVENT)
        self.create_service(ResetScene, names.RESET_SCENE, self._on_reset)
        self.create_service(Trigger, names.STOP, self._on_stop)
        self.create_service(Trigger, names.RELEASE_STOP, self._on_release)
        self._make_timer(contract.fps)
        self._publish_status()
        self._publish_state()
        mode = f"{settings.real_time_factor:g} x real time" if settings.real_time_factor else "lock-step"
        self.get_logger().info(
            f"{settings.robot}: {len(robot.joint_names)} joints at {contract.fps:g} Hz, {mode}"
        )

    def _make_publishers(self, topics: tuple[Topic, ...]) -> None:
        by_type = {topic.type: topic.address for topic in topics}
        joints = by_type["sensor_msgs/msg/JointState"]
        scene = by_type.get("amf_msgs/msg/SceneState", "scene_state")
        self._joints_publisher = self.create_publisher(JointStateMsg, joints, qos.STREAM)
        self._scene_publisher = self.create_publisher(SceneStateMsg, scene, qos.STREAM)
        self._clock_publisher = self.create_publisher(ClockMsg, names.CLOCK, qos.CLOCK)
        self._status_publisher = self.create_publisher(RobotStatus, names.ROBOT_STATUS, qos.LATCHED)
        self._pictures = None
        if self._settings.camera_hz > 0.0:
            if not isinstance(self._driver.robot, Camera):
                raise ConfigError(f"camera_hz: robot {self._settings.robot!r} has no camera; set it to 0")
            self._pictures = self.create_publisher(Image, names.CAMERA, qos.IMAGES)
            self._camera = self._driver.robot
        self._pictured_ns = 0

    def _make_timer(self, fps: float) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        factor = self._settings.real_time_factor
        if factor > 0.0:
            self.create_timer(1.0 / (fps * factor), self._tick, clock=steady)
        else:
            self.create_timer(self._settings.republish_s / 2, self._republish, clock=steady)

    def _on_command(self, teleop: bool, msg: JointTrajectory) -> None:
        try:
            self._take(msg, teleop)
        except (RobotFault, DataError) as error:
            self._refuse(error)

    def _answer(self, msg: JointTrajectory, teleop: bool) -> None:
        if self._driver.answer(joint_command(msg), teleop=teleop):
            self._publish_state()

    def _offer(self, msg: JointTrajectory, teleop: bool) -> None:
        self._driver.offer(joint_command(msg), teleop=teleop)

    def _tick(self) -> None:
        try:
            self._driver.tick()
        except RobotFault as error:
            self._refuse(error)
        self._publish_state()

    def _refuse(self, error: Exception) -> None:
        self.get_logger().warning(f"command refused: {error}", throttle_duration_sec=1.0)

    def _republish(self) -> None:
        if time.monotonic() - self._published_s >= self._settings.republish_s:
            self._publish_state()

    def _publish_state(self) -> None:
        joints, scene = self._driver.state()
        self._joints_publisher.publish(joints_msg(joints))
        self._scene_publisher.publish(scene_msg(scene))
        self._clock_publisher.publish(ClockMsg(clock=time_msg(joints.stamp_ns)))
        self._published_s = time.monotonic()
        if self._pictures and joints.stamp_ns - self._pictured_ns >= 1e9 / self._settings.camera_hz:
            self._pictured_ns = joints.stamp_ns
            self._pictures.publish(self._picture(time_msg(joints.stamp_ns)))

    def _picture(self, stamp: Time) -> Image:
        width, height = self._settings.camera_width, self._settings.camera_height
        pixels = self._camera.render(width, height)
        image = Image(
            header=Header(stamp=stamp, frame_id="camera"), width=width, height=height, encoding="rgb8"
        )
        image.step = 3 * width
        image.data.frombytes(pixels.tobytes())
        return image

    def _publish_status(self) -> None:
        stopped = self._driver.gate.stopped
        status = RobotStatus.FAULT if self._fault else RobotStatus.STOPPED if stopped else RobotStatus.READY
        stamp = time_msg(self._driver.stamp_ns)
        reason = self._fault or stopped or ""
        self._status_publisher.publish(
            RobotStatus(stamp=stamp, status=status, reason=reason, episode=self._driver.episode)
        )

    def _on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        try:
            response.stamp = time_msg(self._driver.reset(request.task_id, request.seed))
        except UnknownName as error:
            response.error_code, response.error_msg = ResetScene.Response.UNKNOWN_TASK, str(error)
        except RobotFault as error:
            response.error_code, response.error_msg = ResetScene.Response.NOT_READY, str(error)
        else:
            self._publish_status()
            self._publish_state()
        return response

    def _give_up(self, reason: str) -> None:
        self.guard.broken = reason  # started again, it refuses to start as long as the other one is there

    def _stop(self, reason: str) -> None:
        self._driver.gate.stop(reason)
        self.get_logger().warning(f"stopped ({reason}); {names.RELEASE_STOP} allows motion again")
        self._publish_status()

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop("stop service")
        response.success, response.message = True, "the arm holds until robot/release_stop"
        return response

    def _on_release(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._driver.gate.release()
        self._publish_status()
        response.success, response.message = True, "the arm may move"
        return response

    def begin_shutdown(self) -> None:
        """Tell everybody that the arm no longer listens, then free the simulator."""
        self._driver.gate.stop("the robot node is shutting down")
        self._fault = "the robot node is shutting down"
        self._publish_status()
        self._driver.robot.close()


def main() -> int:
    """Entry point."""
    return run(RobotNode)


if __name__ == "__main__":
    sys.exit(main())
