"""robot: the only writer to the arm. Every command, a person's or the policy's, passes its safety gate.

Subscribes to the contract's command topics and ``stop``; publishes the joints under the arm's own stamps,
the commands as it applied them, ``robot/status`` (latched), and of a simulator ``/clock`` and the scene;
serves ``robot/reset_scene``, ``robot/stop`` and ``robot/release_stop``. A stop outlives the node, on disk.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from amf_msgs.srv import ResetScene
from amf_ros.arm.turns import LockStep, RealTime
from amf_ros.contract import load_contract
from amf_ros.contract.codecs import joint_plan
from amf_ros.core.errors import BadRequest, DataError, RobotFault, StorageError, UnknownName
from amf_ros.core.values import JointPlan, Task
from amf_ros.ros import names, qos, requests
from amf_ros.ros.conversions import time_msg
from amf_ros.ros.node.runtime import AmfNode, run
from amf_ros.ros.parameters import declare
from amf_ros.ros.robot.build import build
from amf_ros.ros.robot.robot_topics import RobotTopics
from amf_ros.ros.robot.scene_by_hand import SceneByHand, SceneNotPlaced
from amf_ros.ros.robot.sole import Sole
from amf_ros.ros.robot.stopping import StopFile, stop_path
from amf_ros.ros.settings import RobotSettings
from amf_ros.sim.protocol import is_simulator
from amf_ros.tasks.loading import load_robot_suite

NEWS_S = 0.5


class RobotNode(AmfNode):
    """An arm on topics: a simulator in lock-step or real time, or a real one."""

    def __init__(self) -> None:
        super().__init__("robot")
        self._sole = Sole(self, self._give_up, self._stop)
        self._settings = settings = declare(self, RobotSettings)
        self._contract = contract = load_contract(settings.contract)
        self._suite = load_robot_suite(settings.suite)
        self._sole.confirm()
        self._turns = turns = build(self, settings, contract, self._suite)
        self._arm, self._arbiter = turns.arm, turns.arbiter
        self._topics = RobotTopics(self, contract, turns, settings)
        self._by_hand = None if is_simulator(self._arm) else SceneByHand(self)
        domain = self.context.get_domain_id()
        self._kept = StopFile(stop_path(settings.state_directory, domain, self.get_namespace()))
        stopped, self._is_kept = self._kept.read(simulated=getattr(self._arm, "simulated", False)), True
        self._stop_again: Publisher | None = None
        if stopped:
            self._arbiter.stop(stopped)
            self._say_stopped(stopped)
        self._listen()
        self._make_timers()
        self._topics.publish_status()
        self._topics.publish_state()
        mode = f"{settings.real_time_factor:g} x real time" if settings.real_time_factor else "lock-step"
        self.get_logger().info(
            f"{settings.robot}: {len(self._arm.joint_names)} joints at {contract.fps:g} Hz, {mode}"
        )

    def _listen(self) -> None:
        for topic, person in ((self._contract.command, True), (self._contract.published, False)):
            callback = partial(self._on_command, person)
            self.create_subscription(JointTrajectory, topic.address, callback, qos.STREAM)
        for profile in qos.STOPS:
            self.create_subscription(Empty, names.STOP_TOPIC, lambda _: self._stop("stop topic"), profile)
        self.create_subscription(Bool, names.STOP_ASKED, self._on_stop_asked, qos.LATCHED_BY_MANY)
        self.create_service(ResetScene, names.RESET_SCENE, self._on_reset)
        self.create_service(Trigger, names.STOP, self._on_stop)
        self.create_service(Trigger, names.RELEASE_STOP, self._on_release)

    def _make_timers(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if isinstance(self._turns, RealTime):
            rate_hz = self._contract.fps * self._settings.real_time_factor
            self.create_timer(1.0 / rate_hz, partial(self._tick, self._turns), clock=steady)
        else:
            self.create_timer(self._settings.republish_s / 2, self._republish, clock=steady)
        self.create_timer(NEWS_S, self._tell_news, clock=steady)

    def _tell_news(self) -> None:
        self._topics.publish_news()
        if self._arbiter.stopped and not self._is_kept:
            if self._stop_again is None:
                self._stop_again = self.create_publisher(Empty, names.STOP_TOPIC, qos.EVENT)
            self._stop_again.publish(Empty())  # others hold it for now; heard here, the disk is tried again

    def _on_command(self, person: bool, msg: JointTrajectory) -> None:
        try:
            self._take(joint_plan(msg), person)
        except (RobotFault, DataError) as error:
            self._topics.refuse(error)

    def _take(self, plan: JointPlan, person: bool) -> None:
        turns = self._turns
        if isinstance(turns, LockStep):
            if turns.answer(plan, person=person):
                self._topics.publish_step()
            return
        topic = self._contract.command if person else self._contract.published
        turns.offer(plan, person=person, stamp_ns=topic.stamp_ns(plan.stamp_ns, turns.now_ns))

    def _tick(self, turns: RealTime) -> None:
        fault = self._arbiter.fault
        try:
            turns.tick()
        except RobotFault as error:
            self._topics.refuse(error)
        self._topics.publish_step()
        if self._arbiter.fault != fault:
            self._topics.publish_status()
            self.get_logger().warning(self._arbiter.fault or "the arm is back, and holds where it is")

    def _republish(self) -> None:
        if time.monotonic() - self._topics.published_s >= self._settings.republish_s:
            self._topics.publish_state()

    def _on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        try:
            task_id, seed = requests.reset(request)
            response.stamp = time_msg(self._reset(self._suite.task(task_id), seed))
        except BadRequest as error:
            response.error_code, response.error_msg = ResetScene.Response.BAD_REQUEST, str(error)
        except UnknownName as error:
            response.error_code, response.error_msg = ResetScene.Response.UNKNOWN_TASK, str(error)
        except SceneNotPlaced as error:
            response.error_code, response.error_msg = ResetScene.Response.OPERATOR_REQUIRED, str(error)
        except RobotFault as error:
            response.error_code, response.error_msg = ResetScene.Response.NOT_READY, str(error)
        else:
            self._topics.publish_status()  # before the state: who has heard of both knows the episode
            self._topics.publish_state()
        return response

    def _reset(self, task: Task, seed: int) -> int:
        arm, arbiter, by_hand = self._arm, self._arbiter, self._by_hand
        if is_simulator(arm):
            return self._turns.begin_episode(lambda: arm.reset(task.id, seed), task.id)
        if by_hand is None or (arbiter.fault and not arbiter.stopped):
            raise RobotFault(f"the robot may not move: {arbiter.fault}")
        if arbiter.stopped:
            raise RobotFault(
                f"the robot is stopped ({arbiter.stopped}): call robot/release_stop before a reset"
            )
        by_hand.expect(task, seed, arbiter.tally.applied)
        return self._turns.begin_episode(lambda: None, task.id)

    def _give_up(self, reason: str) -> None:
        self.guard.broken = reason  # started again, it refuses to start as long as the other one is there

    def _stop(self, reason: str) -> None:
        """Stop, then keep it: a disk that is full must not keep the arm moving.

        Each one is answered once it is kept: whoever holds a stop for this node then lets go of it.
        """
        if not self._arbiter.stopped:
            self._arbiter.stop(reason)
            self._keep(reason)
            self._say_stopped(reason)
        elif not self._is_kept:
            self._keep(reason, again=True)
        if self._is_kept:
            self._topics.publish_status()
        else:
            self._topics.publish_news()

    def _keep(self, reason: str, *, again: bool = False) -> None:
        self._is_kept = False
        try:
            self._kept.write(reason)
            self._is_kept = True
        except StorageError as error:
            if not again:
                self.get_logger().error(f"only other nodes know of this for now: {error}")

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
        self._arbiter.release()
        self._keep("")
        self._topics.publish_status()
        response.success, response.message = True, "the arm may move"
        return response

    def secure(self, error: BaseException) -> None:
        """Hold after something unforeseen, and say so where a reset broke off."""
        self._arbiter.halt()
        self._topics.publish_news()

    def begin_shutdown(self) -> None:
        """Tell everybody that the arm no longer listens, and leave it, holding. A stop is still kept."""
        self._turns.close("the robot node is shutting down")
        self._topics.publish_status()


def main() -> int:
    """Entry point."""
    return run(RobotNode)


if __name__ == "__main__":
    sys.exit(main())
