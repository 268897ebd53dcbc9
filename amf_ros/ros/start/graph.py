"""The ROS graph as data: which nodes run, with which parameters. Imports core.defaults only.

``launch/amf.launch.py`` turns each entry into a ``launch_ros`` Node; ``amf up`` starts the same entries as
processes (``ros/start/supervise.py``), and setup.py makes an executable of each. A node added here is in all.

    for node in nodes({}):
        print(command(node, {"session_directory": "runs/demo", "real_time_factor": "0.0"}))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from amf_ros.core.defaults import CONTRACT, REAL_TIME_FACTOR, ROBOT, SESSION_DIRECTORY, SUITE

PACKAGE = "amf_ros"
AUTO = "auto"
MOCK = "mock"
REHEARSED = "panda"  # the mock of whoever names no robot file


@dataclass(frozen=True)
class Argument:
    """One launch argument.

    Attributes:
        choices: what may be said; empty where any text goes.
        kind: of plugin, where the value names one: a registered name or ``package.module:Object``.
    """

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    kind: str = ""

    def allows(self, value: str) -> bool:
        """Say whether a value is one of the choices, or where a plugin is named, one that may be there."""
        if self.kind:
            return ":" in value or value in _registered(self.kind)
        return not self.choices or value in self.choices

    @property
    def allowed(self) -> str:
        """What may be said, for an error message."""
        if self.kind:
            return ", ".join(_registered(self.kind)) + ", or package.module:Object"
        return ", ".join(self.choices)


def _registered(kind: str) -> tuple[str, ...]:
    """Return the short names of a kind of plugin: built in, and of installed packages."""
    from amf_ros.core.plugins import names  # not needed to read the list of nodes

    return names(kind)


@dataclass(frozen=True)
class NodeSpec:
    """One node of the graph.

    Attributes:
        name: of the node, of its executable and of its module in ``amf_ros.nodes``.
        summary: one line for people.
        parameters: ROS parameter -> name of the launch argument that sets it.
    """

    name: str
    summary: str
    parameters: Mapping[str, str] = field(default_factory=dict)


ARGUMENTS: tuple[Argument, ...] = (
    Argument("robot", ROBOT, "the arm: a registered name, or package.module:Object", kind="robot"),
    Argument("robot_config", "", "the arm's robot file: a name in config/robots, or a path"),
    Argument("namespace", "", "namespace of every node and relative topic, for example left_arm"),
    Argument("params", "", "YAML file of ROS parameters; empty = config/params.yaml"),
    Argument("suite", SUITE, "task suite: a registered name, package.module:Class, or a YAML file of tasks"),
    Argument(
        "contract",
        AUTO,
        "the policy's inputs: a name in config/contracts, or a path; auto = the robot file's, else "
        f"{CONTRACT}",
    ),
    Argument("session_directory", SESSION_DIRECTORY, "demonstrations, checkpoints and the session's state"),
    Argument(
        "demonstrator",
        AUTO,
        "who demonstrates: the suite's scripted expert, or a person's device on the contract's teleop topic; "
        "auto = the expert in simulation",
        (AUTO, "expert", "person"),
    ),
    Argument(
        "real_time_factor",
        str(REAL_TIME_FACTOR),
        "of simulated time; 0.0 = lock-step: advances with each command",
    ),
    Argument(
        "use_sim_time",
        AUTO,
        "whether node clocks follow /clock; auto = for a simulated robot that is not in lock-step",
        (AUTO, "true", "false"),
    ),
    Argument(
        "log_level",
        "info",
        "least severe message that is logged",
        ("debug", "info", "warn", "error", "fatal"),
    ),
)

SIMULATED = ("pybullet",)
DRIVEN = (MOCK, "ros2_control")
NUMBERS = ("real_time_factor",)

_SUITE = {"suite": "suite", "contract": "contract"}
_DATA = {**_SUITE, "session_directory": "session_directory"}
_DEMONSTRATOR = {**_DATA, "demonstrator": "demonstrator"}
_TIME = {"real_time_factor": "real_time_factor"}

NODES: tuple[NodeSpec, ...] = (
    NodeSpec(
        "robot",
        "the only writer to the arm: limits, watchdog, stop",
        {**_SUITE, **_TIME, "robot": "robot", "robot_config": "robot_config"},
    ),
    NodeSpec("task_selector", "answers which task to demonstrate next", _DATA),
    NodeSpec("demo_recorder", "records one demonstration, one MCAP file", {**_DEMONSTRATOR, **_TIME}),
    NodeSpec("teleop", "demonstrates: the scripted expert of the suite", {**_SUITE, **_TIME}),
    NodeSpec("fine_tuner", "makes the next checkpoint", _DATA),
    NodeSpec("policy_executor", "lets the policy drive", {**_DATA, **_TIME}),
    NodeSpec(
        "session",
        "select, demonstrate, fine-tune, evaluate, repeat",
        _DEMONSTRATOR,
    ),
)

MOCK_ARM = NodeSpec(
    "mock_arm", "the other side of robot:=mock: controllers and joints", {"robot_config": "robot_config"}
)
EVERY_NODE = (*NODES, MOCK_ARM)


def nodes(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    """Return the nodes that run with these launch arguments: no scripted expert beside a person.

    Raises:
        ValueError: as :func:`arguments`.
        ConfigError: as :func:`arguments`.
    """
    filled = arguments(values)
    person, mock = filled["demonstrator"] == "person", filled["robot"] == MOCK
    chosen = tuple(node for node in NODES if not (person and node.name == "teleop"))
    return (*chosen, MOCK_ARM) if mock else chosen


def arguments(values: Mapping[str, str]) -> dict[str, str]:
    """Return all launch arguments, ``values`` over the defaults; contract and demonstrator are decided.

    Raises:
        ValueError: an argument is unknown, or its value is no text or not one of its choices.
        ConfigError: there is no such robot file, or no such robot.
    """
    known = {argument.name: argument for argument in ARGUMENTS}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"unknown argument {name!r}; known: {', '.join(known)}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name} is {value!r}, which is no UTF-8 text; rename it") from error
        if not known[name].allows(value):
            raise ValueError(f"{name} must be one of {known[name].allowed}, got {value!r}")
    filled = {argument.name: argument.default for argument in ARGUMENTS} | dict(values)
    if filled["robot"] == MOCK:
        filled["robot_config"] = filled["robot_config"] or REHEARSED
    if filled["contract"] == AUTO:
        filled["contract"] = _contract_of(filled["robot"], filled["robot_config"])
    if filled["demonstrator"] == AUTO:
        filled["demonstrator"] = "expert" if _simulated(filled["robot"]) else "person"
    return filled


def _contract_of(robot: str, robot_config: str) -> str:
    """Return the contract that a robot file names, for robots that have one of ours."""
    if robot not in DRIVEN or not robot_config:
        return CONTRACT
    from amf_ros.arm.robot_file import load_robot_file  # not needed to read the list of nodes

    return load_robot_file(robot_config).contract or CONTRACT


def parameters(node: NodeSpec, values: Mapping[str, str]) -> dict[str, str | float | bool]:
    """ROS parameter -> value, of the parameter's type, for one node."""
    filled = arguments(values)
    chosen: dict[str, str | float | bool] = {
        parameter: _number(filled[argument]) if argument in NUMBERS else filled[argument]
        for parameter, argument in node.parameters.items()
    }
    follow = filled["use_sim_time"] == "true"
    if filled["use_sim_time"] == "auto":
        # In lock-step nodes act upon states and no clock; reading /clock would only cost them time.
        follow = _number(filled["real_time_factor"]) != 0.0 and _simulated(filled["robot"])
    return chosen | {"use_sim_time": follow}


def _simulated(robot: str) -> bool:
    """Say whether a robot is a simulator; an object says so itself by ``simulated``, and publishes /clock."""
    if robot in SIMULATED:
        return True
    from amf_ros.core.plugins import load  # not needed to read the list of nodes

    return getattr(load("robot", robot), "simulated", False) is True


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text  # the node that declares the parameter says what is wrong with it


def ros_arguments(node: NodeSpec, values: Mapping[str, str], default_params: str = "") -> list[str]:
    """Return what stands behind the executable of one node: its name, namespace, log level and parameters.

    Args:
        node: which.
        values: launch arguments.
        default_params: parameter file used where the argument ``params`` is empty.
    """
    filled = arguments(values)
    line = ["--ros-args", "-r", f"__node:={node.name}"]
    if filled["namespace"]:
        line += ["-r", f"__ns:=/{filled['namespace'].strip('/')}"]
    line += ["--log-level", filled["log_level"]]
    if filled["params"] or default_params:
        line += ["--params-file", filled["params"] or default_params]
    for name, value in parameters(node, values).items():
        # Values are YAML there: unquoted, a directory named 7 were a number and one named y a boolean.
        line += ["-p", f"{name}:={_quoted(value) if isinstance(value, str) else json.dumps(value)}"]
    return line


def _quoted(text: str) -> str:
    """Text as YAML in double quotes, everything but plain ASCII escaped: rcl reads it, by YAML 1.1."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(plain)}"'


def command(node: NodeSpec, values: Mapping[str, str], default_params: str = "") -> list[str]:
    """Return the command line that runs one node with this interpreter."""
    return [
        sys.executable,
        "-m",
        f"{PACKAGE}.nodes.{node.name}",
        *ros_arguments(node, values, default_params),
    ]
