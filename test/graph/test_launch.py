"""The launch file, with upstream launch_pytest: the nodes it starts are those of `amf up`, and they work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE_S
from support.graph import connect_when_ready, run_session, session_directory, small_plan, story

from amf_ros.ros.start import graph as description
from amf_ros.ros.start.graph_environment import graph_environment
from amf_ros.session.local import run_local
from amf_ros.store.run_directory import RunDirectory

launch_pytest = pytest.importorskip(
    "launch_pytest", reason="launch_pytest is not installed (it comes with ROS 2 from apt or source)"
)

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "amf.launch.py"
PLAN = small_plan(num_rounds=1)


@pytest.fixture(scope="module")
def run(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return session_directory(tmp_path_factory.mktemp("launched"), pretrained)


@pytest.fixture(scope="module", autouse=True)
def environment(ros_domain: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in graph_environment(ros_domain).items():
            patch.setenv(name, value)
        yield


@launch_pytest.fixture(scope="module")
def amf(run: RunDirectory, environment: None) -> Any:
    from launch import LaunchDescription
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch_pytest.actions import ReadyToTest

    arguments = {"session_directory": str(run.root), "real_time_factor": "0.0"}
    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    include = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    return LaunchDescription([include, ReadyToTest()])


@pytest.mark.launch(fixture=amf)
def test_launched_nodes_run_a_session(run: RunDirectory, pretrained: Path, tmp_path: Path) -> None:
    run_local(PLAN, pretrained, tmp_path)
    with connect_when_ready() as client:
        assert all(client.sees(tuple(node.name for node in description.NODES), DEADLINE_S).values())
        result = run_session(client, PLAN)
    assert result.error_code == 0 and result.rounds_completed == 1
    assert story(run) == story(RunDirectory(tmp_path))


def test_every_argument_is_declared_with_a_description() -> None:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    declared = get_launch_description_from_python_launch_file(str(LAUNCH_FILE)).get_launch_arguments()
    assert [one.name for one in declared] == [one.name for one in description.ARGUMENTS]
    assert all(one.description for one in declared)
