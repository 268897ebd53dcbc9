"""The graph as data: command lines, types of parameters, and the files that go with it."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from amf_ros.core import plugins
from amf_ros.core.defaults import CONTRACT
from amf_ros.core.errors import UnknownName
from amf_ros.ros import settings
from amf_ros.ros.start import graph

ROOT = Path(__file__).parents[2]


def node(name: str) -> graph.NodeSpec:
    return next(one for one in graph.EVERY_NODE if one.name == name)


def test_every_node_is_a_module() -> None:
    names = [one.name for one in graph.EVERY_NODE]
    modules = {path.stem for path in (ROOT / "amf_ros" / "nodes").glob("*.py")} - {"__init__"}
    assert set(names) == modules and len(names) == len(modules)


def test_every_parameter_comes_from_an_argument_that_exists() -> None:
    known = {argument.name for argument in graph.ARGUMENTS}
    assert all(set(one.parameters.values()) <= known for one in graph.EVERY_NODE)
    assert all(argument.description for argument in graph.ARGUMENTS)


@pytest.mark.parametrize(("name", "declared"), settings.SETTINGS.items())
def test_every_node_is_told_all_that_an_argument_says(name: str, declared: type) -> None:
    defaults = {argument.name: argument.default for argument in graph.ARGUMENTS}
    fields = declared.model_fields
    assert set(node(name).parameters) == set(fields) & set(defaults)
    for parameter in node(name).parameters:
        if defaults[parameter] != graph.AUTO:  # decided by arguments()
            assert str(fields[parameter].default) == defaults[parameter], f"{parameter}: two defaults"


def test_a_command_line_is_that_of_a_node_with_its_parameters() -> None:
    values = {"session_directory": "runs/it's 7", "namespace": "/left", "real_time_factor": "0"}
    line = graph.command(node("policy_executor"), values, "params.yaml")
    assert line[:4] == [sys.executable, "-m", "amf_ros.nodes.policy_executor", "--ros-args"]
    assert "__node:=policy_executor" in line and "__ns:=/left" in line
    assert line[line.index("--params-file") + 1] == "params.yaml"
    given = dict(word.split(":=", 1) for word in line if ":=" in word)
    assert yaml.safe_load(given["session_directory"]) == "runs/it's 7"
    assert yaml.safe_load(given["real_time_factor"]) == 0.0
    assert isinstance(yaml.safe_load(given["real_time_factor"]), float)


@pytest.mark.parametrize("text", ["y", "7", "null", "1e3", "50%", "a ; b", "é日本\U0001f600", "a\x85\u2028b"])
def test_text_stays_text(text: str) -> None:
    line = graph.command(node("robot"), {"suite": text})
    given = dict(word.split(":=", 1) for word in line if ":=" in word)
    assert yaml.safe_load(given["suite"]) == text


def test_a_value_that_is_no_text_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="session_directory is .* no UTF-8 text"):
        graph.arguments({"session_directory": "runs/\udcff"})


@pytest.mark.parametrize(
    ("values", "follows"),
    [
        ({"real_time_factor": "1.0"}, True),
        ({"real_time_factor": "0.0"}, False),
        ({"real_time_factor": "0.0", "use_sim_time": "true"}, True),
        ({"real_time_factor": "2.0", "use_sim_time": "false"}, False),
    ],
)
def test_clocks_follow_a_simulation_that_is_not_in_lock_step(values: dict[str, str], follows: bool) -> None:
    assert graph.parameters(node("session"), values)["use_sim_time"] is follows


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"robott": "x"}, "unknown argument 'robott'"),
        (
            {"robot": "ur5"},
            "robot must be one of mock, pybullet, ros2_control, or package.module:Obj",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(values: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        graph.arguments(values)


def test_the_scripted_expert_does_not_run_beside_a_person() -> None:
    everyone = {one.name for one in graph.nodes({})}
    assert everyone == {one.name for one in graph.NODES}
    assert everyone - {one.name for one in graph.nodes({"demonstrator": "person"})} == {"teleop"}
    assert graph.parameters(node("session"), {"demonstrator": "person"})["demonstrator"] == "person"
    with pytest.raises(ValueError, match="demonstrator must be one of auto, expert, person, got 'robot'"):
        graph.nodes({"demonstrator": "robot"})


class SimulatedArm:
    simulated = True


class RealArm:
    pass


@pytest.mark.parametrize(("name", "follows"), [("SimulatedArm", True), ("RealArm", False)])
def test_a_robot_by_its_path_says_itself_whether_clocks_follow_it(name: str, follows: bool) -> None:
    values = {"robot": f"{__name__}:{name}", "robot_config": "lab.yaml"}
    given = graph.parameters(node("robot"), values)
    assert given["robot"] == values["robot"] and given["robot_config"] == "lab.yaml"
    assert given["use_sim_time"] is follows
    assert graph.parameters(node("session"), {**values, "real_time_factor": "0.0"})["use_sim_time"] is False


@pytest.mark.parametrize(("name", "follows"), [("SimulatedArm", True), ("RealArm", False)])
def test_a_robot_of_an_installed_package_goes_by_its_short_name(
    name: str, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("lab_arm", f"{__name__}:{name}", "amf_ros.robot")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    plugins.registered.cache_clear()
    try:
        assert graph.parameters(node("robot"), {"robot": "lab_arm"})["use_sim_time"] is follows
        with pytest.raises(ValueError, match="must be one of lab_arm, mock, pybullet, ros2_control, or pack"):
            graph.arguments({"robot": "lab_arn"})
    finally:
        plugins.registered.cache_clear()


def test_the_mock_runs_with_a_process_of_its_own_and_without_an_expert() -> None:
    names = [one.name for one in graph.nodes({"robot": "mock", "robot_config": "ur5e"})]
    assert names == [one.name for one in graph.NODES if one.name != "teleop"] + ["mock_arm"]
    assert "mock_arm" not in [
        one.name for one in graph.nodes({"robot": "ros2_control", "robot_config": "fr3"})
    ]


def test_an_arm_brings_its_contract_and_is_shown_by_a_person() -> None:
    given = graph.arguments({"robot": "mock", "robot_config": "ur5e"})
    assert (given["contract"], given["demonstrator"]) == ("ur5e_joints", "person")
    assert graph.parameters(node("session"), given)["use_sim_time"] is False
    chosen = graph.arguments({"robot": "mock", "contract": "panda_tabletop", "demonstrator": "expert"})
    assert (chosen["contract"], chosen["demonstrator"]) == ("panda_tabletop", "expert")
    assert chosen["robot_config"] == "panda"
    assert (graph.arguments({})["contract"], graph.arguments({})["demonstrator"]) == (CONTRACT, "expert")


def test_a_robot_file_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownName, match="unknown robot 'ur6'"):
        graph.arguments({"robot": "mock", "robot_config": "ur6"})
