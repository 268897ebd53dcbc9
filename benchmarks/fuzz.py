"""Hostile messages, requests and goals against every node, each alone in its process as in production.

    python benchmarks/fuzz.py [--messages 5000] [--seed 0] [--jobs 2] [--nodes robot teleop] [--json]

Every topic that a node subscribes to, every service and every action that it offers gets messages made from
a seed: numbers that are NaN, infinite, huge or negative, enumerations that do not exist, lists that are empty
or of another length, texts of a megabyte, with ``../``, ``%`` or control characters, and serialised
bytes that are cut or flipped. Half of them start from what the node would accept, to get past the door.

A node that ends, a request without an answer, or memory that grows makes the exit status 1. What only the
guard caught (``ros/node/guard.py``) is listed: it harmed nobody, and it is a fault to be mended.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosidl_parser import definition

from amf_msgs.action import ExecutePolicy, FineTune, RecordDemonstration, RunSession
from amf_msgs.msg import RecorderState, RobotStatus
from amf_msgs.srv import FinishRecording, LoadCheckpoint, NextTask, ResetScene
from amf_ros.contract import load_contract
from amf_ros.contract.codecs import JOINT_STATE, JOINT_TRAJECTORY, SCENE_STATE
from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.core.values import JointCommand, JointState, SceneState
from amf_ros.ros.conversions import to_msg
from amf_ros.ros.start import graph
from amf_ros.ros.start.domain import Domain
from amf_ros.ros.start.graph_environment import default_params
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.sim.pybullet_arm import PyBulletArm
from amf_ros.sim.tabletop.scene import TabletopScene
from amf_ros.store.run_directory import RunDirectory

SAME_LOOKS = 4  # half a second apart: a node is discovered part by part
ANSWER_S = 90.0  # a caller that waited for so long got no answer
START_S = 120.0
PATIENCE_S = 0.3  # for a goal that may well run; then it is cancelled
GROWTH_MB, GROWTH = 64.0, 0.15  # of a node's memory, from the second quarter of its messages to the last
TEXTS = (
    "",
    " ",
    "../up",
    "/etc/passwd",
    "a/b",
    "%s%n%d",
    "${HOME}",
    "a;b|c&d",
    "line\nline",
    "\x1b[31m\x07",
    "Öffne 抓取 🤖",
    "a" * 300,
    "x" * 1_000_000,
    "file:///x%00y",
    "file://[::1",
    "http://[x",
    "builtins:exec",
    "os:system",
    "amf",
    "press_button",
    "push_green",
    "one",
    "nan",
    "-1",
    "'; drop table steps; --",
)
FLOATS = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 3.14)
FLOAT_MAX = 3.4e38  # of a float32
INTEGERS = {
    f"{kind}{bits}": (0, 2**bits - 1) if kind == "uint" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for kind in ("int", "uint")
    for bits in (8, 16, 32, 64)
}
CAUGHT = re.compile(r"unexpected error in (.*?); the node goes on\n(.*?)(?=\n\[|\Z)", re.DOTALL)


class Maker:
    """Makes messages of any type from a seed.

    Args:
        rng: of all that is made.
        sound: message class -> a message that its readers accept.
    """

    def __init__(self, rng: np.random.Generator, sound: dict[type, Callable[[], Any]]) -> None:
        self._rng, self._sound = rng, sound

    def message(self, kind: type) -> Any:
        """A random message, or a sound one of which some fields are not."""
        if kind in self._sound and self._rng.random() < 0.6:
            made = copy.deepcopy(self._sound[kind]())
            for _ in range(self._rng.integers(0, 3)):
                self._spoil(made)
            return made
        return self._random(kind)

    def raw(self, kind: type) -> bytes:
        """Serialised bytes that are cut, flipped, or nothing."""
        data = bytearray(serialize_message(self.message(kind)))
        way = self._rng.integers(0, 4)
        if way == 0:
            return bytes(data[: self._rng.integers(0, len(data))])
        if way == 1:
            return b""
        for _ in range(int(self._rng.integers(1, 8))):
            data[self._rng.integers(0, len(data))] = self._rng.integers(0, 256)
        return bytes(data)

    def _random(self, kind: type) -> Any:
        made: Any = kind()
        for name, slot in zip(made.get_fields_and_field_types(), made.SLOT_TYPES, strict=True):
            setattr(made, name, self._value(slot))
        return made

    def _spoil(self, message: Any) -> None:
        names = list(message.get_fields_and_field_types())
        if not names:
            return
        at = int(self._rng.integers(0, len(names)))
        slot, old = message.SLOT_TYPES[at], getattr(message, names[at])
        if isinstance(slot, definition.NamespacedType) and self._rng.random() < 0.7:
            self._spoil(old)
        elif isinstance(slot, definition.AbstractSequence) and len(old) and self._rng.random() < 0.7:
            index, items = int(self._rng.integers(0, len(old))), list(old)
            way = self._rng.integers(0, 3)
            if way == 0:
                del items[index]
            elif way == 1:
                items.append(items[index])
            elif isinstance(slot.value_type, definition.NamespacedType):
                self._spoil(items[index])
            else:
                items[index] = self._value(slot.value_type)
            setattr(message, names[at], items)
        else:
            setattr(message, names[at], self._value(slot))

    def _value(self, slot: Any) -> Any:
        if isinstance(slot, definition.Array):
            return [self._value(slot.value_type) for _ in range(slot.size)]
        if isinstance(slot, definition.AbstractSequence):
            size = int(self._rng.choice([0, 0, 1, 2, 3, 7, 8, 9]))
            return [self._value(slot.value_type) for _ in range(size)]
        if isinstance(slot, definition.NamespacedType):
            return self._random(interface("/".join((*slot.namespaces, slot.name))))
        if isinstance(slot, definition.AbstractString):
            return str(self._rng.choice(TEXTS))
        return self._number(slot.typename)

    def _number(self, kind: str) -> Any:
        if kind == "boolean":
            return bool(self._rng.integers(0, 2))
        if kind in ("float", "double"):
            value = float(self._rng.choice(FLOATS))
            small = kind == "double" or not np.isfinite(value)
            return value if small else float(np.clip(value, -FLOAT_MAX, FLOAT_MAX))
        if kind == "octet":
            return bytes([self._rng.integers(0, 256)])
        low, high = INTEGERS[kind]
        values = (low, high, 0, 1, 2, 7, 99, max(low, -1), min(high, 1_000_000_000))
        return values[self._rng.integers(0, len(values))]  # choice() would make floats of 64 bits


class Sound:
    """Messages that the nodes accept, with the stamps of now."""

    def __init__(self, checkpoint: Path) -> None:
        contract = load_contract("panda_tabletop")
        robot = PyBulletArm(TabletopScene(), contract.fps)
        robot.reset("press_button", 0)
        self._joints, self._scene = robot.state()
        robot.close()
        tasks = ("press_button", "push_green")
        uri = checkpoint.as_uri()
        self.makers: dict[type, Callable[[], Any]] = {
            type(self.joints()): self.joints,
            type(self.scene()): self.scene,
            type(self.command()): self.command,
            RecorderState: lambda: RecorderState(
                recording=True, task_id="press_button", demonstration_id="one"
            ),
            RobotStatus: lambda: RobotStatus(status=RobotStatus.READY, episode=1),
            RecordDemonstration.Goal: lambda: RecordDemonstration.Goal(task_id="press_button", source=2),
            ExecutePolicy.Goal: lambda: ExecutePolicy.Goal(task_id="press_button", checkpoint_uri=uri),
            FineTune.Goal: lambda: FineTune.Goal(initial_checkpoint_uri=uri, num_steps=20),
            RunSession.Goal: lambda: RunSession.Goal(candidate_ids=tasks, target_ids=tasks, num_rounds=1),
            FinishRecording.Request: lambda: FinishRecording.Request(outcome=1),
            LoadCheckpoint.Request: lambda: LoadCheckpoint.Request(uri=uri),
            NextTask.Request: lambda: NextTask.Request(candidate_ids=tasks, target_ids=tasks),
            ResetScene.Request: lambda: ResetScene.Request(task_id="press_button", seed=1),
        }

    def joints(self) -> Any:
        """Measured joints."""
        held = self._joints
        return to_msg(JOINT_STATE, JointState(time.time_ns(), held.names, held.position, held.velocity))

    def scene(self) -> Any:
        """All objects."""
        return to_msg(SCENE_STATE, SceneState(time.time_ns(), self._scene.names, self._scene.poses))

    def command(self) -> Any:
        """Stay where you are."""
        held = JointCommand(time.time_ns(), self._joints.names, self._joints.position)
        return to_msg(JOINT_TRAJECTORY, held.reached_after(50_000_000))


@dataclass
class Report:
    """What happened to one node."""

    node: str
    interfaces: int = 0
    messages: int = 0
    requests: int = 0
    unanswered: list[str] = field(default_factory=list)
    exit_code: int | None = None
    first_mb: float = 0.0
    last_mb: float = 0.0
    slowest_s: float = 0.0
    seconds: float = 0.0
    caught: dict[str, str] = field(default_factory=dict)
    log: str = ""

    @property
    def failed(self) -> bool:
        """Whether something happened that must not."""
        grown = self.last_mb - self.first_mb
        return (
            self.exit_code is not None
            or bool(self.unanswered)
            or grown > max(GROWTH_MB, GROWTH * self.first_mb)
        )


class Fuzz:
    """One node under fire.

    Args:
        process: of the node.
        maker: of the messages.
        rng: which interface is next.
        sound: what makes the node go on to its next state now and then.
    """

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        maker: Maker,
        rng: np.random.Generator,
        sound: Sound,
    ) -> None:
        self.report = Report(name)
        self._name, self._process, self._maker, self._rng, self._sound = name, process, maker, rng, sound
        self._node = rclpy.create_node("fuzz", enable_rosout=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._topics: dict[str, tuple[Any, Any]] = {}
        self._services: dict[str, tuple[Any, Any]] = {}
        self._actions: dict[str, tuple[Any, Any]] = {}

    def find(self) -> None:
        """Wait for the node and look up all that it listens to."""
        end, same = time.monotonic() + START_S, 0
        seen: list[Any] = []
        heard: list[Any] = []
        while time.monotonic() < end and self._process.poll() is None and same < SAME_LOOKS:
            self._spin(0.5)
            if self._name not in self._node.get_node_names():
                continue
            found = self._node.get_service_names_and_types_by_node(self._name, "/")
            topics = self._node.get_subscriber_names_and_types_by_node(self._name, "/")
            serves = topics if self._name == "teleop" else found  # a robot hears claims before it is made
            ours = any("amf_msgs" in kind for _, kinds in serves for kind in kinds)
            same = same + 1 if ours and (seen, heard) == (found, topics) else 0
            seen, heard = found, topics
        profile = QoSProfile(
            depth=50, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        for topic, kinds in heard:
            kind = interface(kinds[0])
            self._topics[topic] = kind, self._node.create_publisher(kind, topic, profile)
        for service, kinds in seen:
            if "/_action/" in service or not kinds[0].startswith(("amf_msgs", "std_srvs")):
                continue
            kind = interface(kinds[0])
            self._services[service] = kind, self._node.create_client(kind, service)
        for service, kinds in seen:
            if service.endswith("/_action/send_goal"):
                name = service.removesuffix("/_action/send_goal")
                kind = interface(kinds[0].removesuffix("_SendGoal"))
                self._actions[name] = kind, ActionClient(self._node, kind, name)
        self.report.interfaces = len(self._topics) + len(self._services) + len(self._actions)
        self._spin(1.0)

    def run(self, messages: int) -> None:
        """Send so many, and look after each whether the node lives."""
        ways = [way for way, table in self._ways() if table]
        if not ways:
            self.report.unanswered.append("the node never came up")
            return
        sizes: list[float] = []
        while self.report.messages < messages and self._process.poll() is None:
            self.report.messages += 1
            ways[self._rng.choice(len(ways), p=self._shares(len(ways)))]()
            self._spin(0.0)
            if self.report.messages % 10 == 0:
                self._states()
                sizes.append(self._rss_mb())
        self._spin(1.0)
        self.report.exit_code = self._process.poll()
        if len(sizes) >= 8:
            quarter = len(sizes) // 4
            self.report.first_mb = float(np.median(sizes[quarter : 2 * quarter]))
            self.report.last_mb = float(np.median(sizes[-quarter:]))

    def close(self) -> None:
        """Let go of the node."""
        for _, client in self._actions.values():
            client.destroy()
        self._executor.shutdown()
        self._node.destroy_node()

    def _ways(self) -> list[tuple[Callable[[], None], dict[str, Any]]]:
        return [(self._publish, self._topics), (self._call, self._services), (self._act, self._actions)]

    def _shares(self, ways: int) -> list[float]:
        return [[1.0], [0.7, 0.3], [0.6, 0.2, 0.2]][ways - 1]

    def _publish(self) -> None:
        topic = str(self._rng.choice(sorted(self._topics)))
        kind, publisher = self._topics[topic]
        publisher.publish(self._maker.raw(kind) if self._rng.random() < 0.3 else self._maker.message(kind))

    def _states(self) -> None:
        """Sound states and a command, so that what waits for them begins."""
        for kind, publisher in self._topics.values():
            if kind in self._sound.makers and kind is not RecorderState:
                publisher.publish(self._sound.makers[kind]())
        self._spin(0.02)

    def _call(self) -> None:
        name = str(self._rng.choice(sorted(self._services)))
        kind, client = self._services[name]
        self._answer(name, client.call_async(self._maker.message(kind.Request)))

    def _act(self) -> None:
        name = str(self._rng.choice(sorted(self._actions)))
        kind, client = self._actions[name]
        handle = self._answer(name, client.send_goal_async(self._maker.message(kind.Goal)))
        if handle is None or not handle.accepted:
            return
        result = handle.get_result_async()
        self._spin_until(result, PATIENCE_S)
        if not result.done():
            self._states()
            self._spin_until(result, PATIENCE_S)
        if not result.done():
            self._answer(f"{name} cancel", handle.cancel_goal_async())
        self._answer(f"{name} result", result)

    def _answer(self, name: str, future: Any) -> Any:
        self.report.requests += 1
        started = time.monotonic()
        self._spin_until(future, ANSWER_S)
        self.report.slowest_s = max(self.report.slowest_s, time.monotonic() - started)
        if future.done():
            return future.result()
        if self._process.poll() is None:
            self.report.unanswered.append(f"{name} (message {self.report.messages})")
        return None

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            self._executor.spin_once(timeout_sec=max(min(0.05, end - time.monotonic()), 0.0))
            if time.monotonic() >= end:
                return

    def _spin_until(self, future: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not future.done() and time.monotonic() < end and self._process.poll() is None:
            self._executor.spin_once(timeout_sec=0.05)

    def _rss_mb(self) -> float:
        try:
            return psutil.Process(self._process.pid).memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            return 0.0


def interface(name: str) -> Any:
    """The class of ``package/kind/Name``; also of an action's parts, which are no module's attributes."""
    package, kind, what = name.split("/")
    module = importlib.import_module(f"{package}.{kind}")
    if hasattr(module, what):
        return getattr(module, what)
    action, _, part = what.partition("_")
    whole = getattr(module, action)
    return getattr(whole, part, None) or getattr(whole.Impl, part)


def fuzz_node(spec: graph.NodeSpec, messages: int, seed: int, folder: Path, checkpoint: Path) -> Report:
    """Start one node alone, fire, and stop it."""
    run = RunDirectory(folder / spec.name)
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", str(checkpoint), str(run.checkpoints)], check=True)
    values = {"session_directory": str(run.root), "use_sim_time": "true"}
    words = graph.command(spec, values, default_params())
    rng = np.random.default_rng([seed, sum(spec.name.encode())])
    sound = Sound(run.checkpoints / checkpoint.name)
    log, domain = folder / f"{spec.name}.log", Domain()
    os.environ["ROS_DOMAIN_ID"] = str(domain.id)
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
        rclpy.init()
        fuzz = Fuzz(spec.name, process, Maker(rng, sound.makers), rng, sound)
        try:
            fuzz.find()
            fuzz.run(messages)
        finally:
            fuzz.close()
            rclpy.try_shutdown()
            process.terminate()
            try:
                left = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                left = process.wait()
            domain.release()
    report = fuzz.report
    if report.exit_code is None and left != 0:
        report.exit_code = left  # it did not leave in good order
    report.seconds = time.monotonic() - started
    text = log.read_text(encoding="utf-8", errors="replace")
    for what, lines in CAUGHT.findall(text):
        report.caught.setdefault(lines.strip().splitlines()[-1][:160], f"{what}\n{lines.strip()}")
    report.log = str(log)
    return report


def table(reports: list[Report]) -> str:
    """One line a node."""
    lines = [
        f"{'node':<16}{'interfaces':>11}{'messages':>9}{'requests':>9}{'unanswered':>11}{'ended':>7}"
        f"{'slowest':>9}{'memory MB':>15}{'caught':>8}{'s':>6}"
    ]
    for r in reports:
        ended = "-" if r.exit_code is None else str(r.exit_code)
        lines.append(
            f"{r.node:<16}{r.interfaces:>11}{r.messages:>9}{r.requests:>9}{len(r.unanswered):>11}{ended:>7}"
            f"{r.slowest_s:>8.1f}s{r.first_mb:>8.0f}{r.last_mb:>7.0f}{len(r.caught):>8}{r.seconds:>6.0f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Fuzz every node."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=5000, help="over all nodes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="nodes at once, each in a ROS domain of its own")
    parser.add_argument("--nodes", nargs="*", default=[node.name for node in graph.NODES])
    parser.add_argument("--keep", type=Path, help="folder for logs and session directories")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    specs = [node for node in graph.NODES if node.name in options.nodes]
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        training = TrainingConfig(hidden=(64, 64), pretrain_steps=200)
        tasks = {"press_button": 2, "push_green": 2}
        pretrain_checkpoint(
            PretrainConfig(demonstrations=tasks, training=training), folder / "made", processes=1
        )
        each = -(-options.messages // len(specs))
        work = partial(
            fuzz_node,
            messages=each,
            seed=options.seed,
            folder=folder,
            checkpoint=folder / "made" / "pretrained",
        )
        with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
            reports = list(pool.map(work, specs))
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    else:
        print(table(reports))
        for report in reports:
            for name in report.unanswered:
                print(f"{report.node}: no answer: {name}")
            for text in report.caught.values():
                print(f"\n{report.node}: only the guard caught an error of {text}")
    return int(any(report.failed for report in reports))


if __name__ == "__main__":
    sys.exit(main())
