"""ROS parameters: one default, range and text, in the models; the file agrees with them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from rcl_interfaces.msg import ParameterType
from rclpy.context import Context
from rclpy.node import Node
from support.nodes import bench

from amf_ros.core.errors import ConfigError
from amf_ros.nodes.robot import RobotNode
from amf_ros.ros import params_file, settings
from amf_ros.ros.node.runtime import AmfNode
from amf_ros.ros.parameters import declare
from amf_ros.ros.start.graph import EVERY_NODE, ros_arguments

FILE = Path(__file__).parents[2] / "config" / "params.yaml"


class Bare(AmfNode):
    """A node with the parameters of the selector."""

    def __init__(self) -> None:
        super().__init__("bare")
        self.settings = declare(self, settings.SelectorSettings)


def test_the_file_is_what_the_models_say() -> None:
    assert FILE.read_text() == params_file.text(), (
        "run python -m amf_ros.ros.params_file > config/params.yaml"
    )
    shown = yaml.safe_load(FILE.read_text())
    assert [name.removeprefix("/**/") for name in shown] == [node.name for node in EVERY_NODE]
    tuner = settings.TunerSettings(**_tuples(shown["/**/fine_tuner"]["ros__parameters"]))
    assert tuner == settings.TunerSettings()


def _tuples(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return tuple(data) if isinstance(data, list) else data


def test_parameters_are_described_with_their_ranges() -> None:
    with bench() as made:
        node = made.add(RobotNode)
        scale = node.describe_parameter("velocity_scale")
        assert "velocities" in scale.description and scale.read_only
        assert scale.floating_point_range[0].to_value == 1.0
        width = node.describe_parameter("camera_width")
        assert width.type == ParameterType.PARAMETER_INTEGER
        assert (width.integer_range[0].from_value, width.integer_range[0].to_value) == (16, 1920)
        assert all(node.describe_parameter(name).description for name in settings.RobotSettings.model_fields)


def test_any_path_reaches_a_node_as_it_is() -> None:
    letters = "".join(chr(number) for number in (*range(1, 0x180), 0x2028, 0x65E5, 0xFEFF, 0x1F600))
    names = [
        "my runs",
        "50%",
        "100%s",
        "a ; b",
        "a:=b",
        "~x",
        "-x",
        "yes",
        "007",
        "'",
        "''",
        "a\nb",
        "x" * 200,
    ]
    spec = next(node for node in EVERY_NODE if node.name == "demo_recorder")
    with ExitStack() as at_end:
        context = Context()
        context.init()
        at_end.callback(context.try_shutdown)
        for text in (*names, *letters, letters):
            node = Node(
                "any",
                context=context,
                cli_args=ros_arguments(spec, {"session_directory": text}),
                use_global_arguments=False,
                automatically_declare_parameters_from_overrides=True,
            )
            found = node.get_parameter("session_directory").value
            node.destroy_node()
            assert found == text


def test_nested_settings_and_whole_numbers_for_real_ones() -> None:
    with bench(selection__noise_variance=2, selection__strategy="uniform") as made:
        node = made.add(Bare)
        assert node.settings.selection.noise_variance == 2.0
        assert node.settings.selection.strategy == "uniform"
        assert (
            node.settings.selection.states_per_trajectory == settings.SelectionConfig().states_per_trajectory
        )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("selection__noise_variance", -1.0, "noise_variance"),
        ("selection__noise_variance", "small", "noise_variance"),
        ("selection__states_per_trajectory", 0, "states_per_trajectory"),
        ("selection__states_per_trajectory", "ten", "states_per_trajectory"),
        ("suite", 7, "suite"),
    ],
)
def test_wrong_values_are_named(name: str, value: Any, text: str) -> None:
    with bench(**{name: value}) as made, pytest.raises(ConfigError, match=text) as error:
        made.add(Bare)
    assert "parameters of bare" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("namespace", ["/", "/left", "/lab/left"])
def test_a_section_of_the_file_reaches_its_node_in_any_namespace(tmp_path: Path, namespace: str) -> None:
    shown = yaml.safe_load(FILE.read_text())
    shown["/**/robot"]["ros__parameters"]["velocity_scale"] = 0.25
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(shown))
    words = ["-r", f"__ns:={namespace}", "--params-file", tmp_path / "params.yaml"]
    with bench(ros_args=words) as made:
        node = made.add(RobotNode)
        assert node.get_parameter("velocity_scale").value == 0.25
        assert node.resolve_service_name("robot/stop") == f"{namespace.rstrip('/')}/robot/stop"
