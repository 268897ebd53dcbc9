"""One namespace has one robot node, wherever it runs: each claims it, and a second one is refused by name.

    sole = Sole(self, give_up, stop)   # first in a robot node's constructor: claims from here on
    sole.confirm()                     # before it touches the arm or has a topic; raises AlreadyThere

    refuse_second(namespace)           # for those who are about to start a graph

Being seen in discovery proves nothing: a process that was killed stays there for its lease of 20 s. So a
claim is a message, four times a second, and only who still sends it is there.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidNamespaceException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from amf_msgs.msg import RobotClaim
from amf_ros.core.errors import AmfError, ConfigError, shown
from amf_ros.ros import names, qos

# With the announcements of config/fastdds.xml others were heard after 0.1 to 0.8 s on a machine with more
# to do than it can; without them after up to 3 s. Robots that hear each other later: see Sole.
_BUSY_S = 4.0
LISTEN_S = 2.0
_CLAIM_EVERY_S = 0.25
_SILENT_S = 1.0  # whoever is unheard for so long is leaving, or gone
_STEADY_S = 1.5  # whoever claims for so long is there, and no stray or recorded message
_TIE_S = 1.0  # uptimes closer than this are decided by instance, alike on both sides
_YOUNG_S = 30.0  # a robot node up for less gives way to one that was there before it
_MOST_KEPT = 16


class AlreadyThere(AmfError):
    """Another robot node has this namespace; says which and what to do."""


@dataclass(frozen=True)
class Claimant:
    """Another robot node: since when and when last it was heard, by this process's steady clock [s]."""

    host: str
    pid: int
    instance: str
    uptime_s: float
    since_s: float
    heard_s: float

    def __str__(self) -> str:
        return f"pid {self.pid} on host {shown(self.host)}, up for {self.uptime_s:.0f} s"


class Claims:
    """Who else claims the namespace of a node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._instance = uuid.uuid4().hex
        self._started_s = time.monotonic()
        self._heard: dict[str, Claimant] = {}
        node.create_subscription(RobotClaim, names.ROBOT_CLAIM, self._hear, qos.EVENT)

    @property
    def uptime_s(self) -> float:
        """Since when this one listens [s]."""
        return time.monotonic() - self._started_s

    def message(self) -> RobotClaim:
        """Return this process's own claim."""
        claim = RobotClaim(host=socket.gethostname(), pid=os.getpid(), instance=self._instance)
        claim.uptime.sec, claim.uptime.nanosec = divmod(int(self.uptime_s * 1e9), 10**9)
        return claim

    def present(self, steady_s: float = 0.0) -> list[Claimant]:
        """Return the others who claimed within the last second, and have for at least ``steady_s``."""
        now = time.monotonic()
        self._heard = {key: one for key, one in self._heard.items() if now - one.heard_s < _SILENT_S}
        return [one for one in self._heard.values() if one.heard_s - one.since_s >= steady_s]

    def before(self, other: Claimant) -> bool:
        """Return whether ``other`` was there before this one; the two sides come to opposite answers."""
        ahead_s = other.uptime_s + time.monotonic() - other.heard_s - self.uptime_s
        return other.instance < self._instance if abs(ahead_s) < _TIE_S else ahead_s > 0.0

    def listen(self, seconds: float) -> None:
        """Hear others for so long. Nothing else of the node may be in use yet."""
        executor = SingleThreadedExecutor(context=self.node.context)
        executor.add_node(self.node)
        end = time.monotonic() + seconds
        try:
            while (left_s := end - time.monotonic()) > 0.0:
                executor.spin_once(timeout_sec=left_s)
        finally:
            executor.remove_node(self.node)
            executor.shutdown()

    def refusal(self, others: Sequence[Claimant]) -> AlreadyThere:
        """Return what to say to whoever came second."""
        namespace, domain = self.node.get_namespace(), os.environ.get("ROS_DOMAIN_ID") or "0"
        return AlreadyThere(
            f"another robot node is up in namespace {namespace} of ROS domain {domain}: {others[0]}. Stop "
            "it, or start this one in another namespace (namespace:=NAME) or another domain (ROS_DOMAIN_ID)"
        )

    def _hear(self, claim: RobotClaim) -> None:
        new = claim.instance not in self._heard
        if claim.instance == self._instance or (new and len(self._heard) >= _MOST_KEPT):
            return
        now = time.monotonic()
        uptime_s = claim.uptime.sec + claim.uptime.nanosec * 1e-9
        heard = Claimant(claim.host, claim.pid, claim.instance, uptime_s, since_s=now, heard_s=now)
        if not new:
            heard = replace(heard, since_s=self._heard[claim.instance].since_s)
        self._heard[claim.instance] = heard


class Sole:
    """A robot node's claim.

    Two that hear each other only after both have started, as when a cable is plugged in, are told apart by
    their uptime: the later one gives up, unless it too has been up for long; then both hold their arms.

    Args:
        node: the robot node, without any topic of its own yet.
        give_up: called with the reason when this node must end.
        stop: called with the reason when the arm must hold until a person has ended one of the two.
    """

    def __init__(self, node: Node, give_up: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._claims, self._give_up, self._stop = Claims(node), give_up, stop
        self._met: set[str] = set()
        self._publisher = node.create_publisher(RobotClaim, names.ROBOT_CLAIM, qos.EVENT)
        node.create_timer(_CLAIM_EVERY_S, self._claim, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def confirm(self) -> None:
        """Return once this node may have the arm.

        Raises:
            AlreadyThere: another one was there before.
        """
        others = _after_listening(self._claims, self._claims.before)
        if others:
            raise self._claims.refusal(others)

    def _claim(self) -> None:
        self._publisher.publish(self._claims.message())
        for other in self._claims.present(_STEADY_S):
            young = min(other.uptime_s, self._claims.uptime_s) < _YOUNG_S
            if young and self._claims.before(other):
                self._give_up(str(self._claims.refusal([other])))
            elif not young and other.instance not in self._met:
                self._met = {*list(self._met)[-_MOST_KEPT:], other.instance}
                self._stop(f"a second robot node is up in this namespace, {other}: end one of the two")


def refuse_second(namespace: str = "") -> None:
    """Return where no robot node is up in this namespace of this process's ROS domain.

    Raises:
        AlreadyThere: one is; it says which.
        ConfigError: no node can have such a namespace.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    try:
        node = rclpy.create_node("amf_look", namespace=namespace, context=context, enable_rosout=False)
    except InvalidNamespaceException as error:
        context.try_shutdown()
        raise ConfigError(
            f"namespace {shown(namespace)}: use letters, digits and _, and / between parts, as in left_arm"
        ) from error
    try:
        claims = Claims(node)
        others = _after_listening(claims, lambda _: True)
        if not others and ("robot", node.get_namespace()) in node.get_node_names_and_namespaces():
            # Announced and not heard: a ghost of a killed one, or a busy machine, which is given more time.
            claims.listen(_BUSY_S)
            others = _after_listening(claims, lambda _: True)
        if others:
            raise claims.refusal(others)
    finally:
        node.destroy_node()
        context.try_shutdown()


def _after_listening(claims: Claims, counts: Callable[[Claimant], bool]) -> list[Claimant]:
    """Return those who count. Whoever is just leaving is given the time to do so."""
    claims.listen(LISTEN_S)
    others = [one for one in claims.present() if counts(one)]
    for _ in range(3):
        if not others:
            break
        claims.listen(LISTEN_S / 2)
        others = [one for one in claims.present() if counts(one)]
    return others
