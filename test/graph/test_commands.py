"""The amf commands against a graph that `amf up` started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.deadline import DEADLINE_S
from support.graph import eventually, session_directory
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app
from amf_ros.ros.start.graph import NODES

AMF = (sys.executable, "-u", "-m", "amf_ros.cli")


def amf(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words: object) -> Any:
    done = amf(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, pretrained: Path) -> Path:
    return session_directory(tmp_path_factory.mktemp("up"), pretrained).root


@pytest.fixture(scope="module", autouse=True)
def up(directory: Path, ros_domain: int) -> Iterator[subprocess.Popen[str]]:
    """`amf up` in lock-step; at the end Ctrl-C, exit code 0 and no process left."""
    words = ["up", f"session_directory:={directory}", "real_time_factor:=0.0"]
    process = subprocess.Popen([*AMF, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if f"{len(NODES)} nodes are up" in line:
            break
    else:
        pytest.fail("".join(said))
    family = psutil.Process(process.pid).children(recursive=True)
    yield process
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0 and rest.splitlines()[-1] == "stopping the nodes"
    assert psutil.wait_procs(family, timeout=DEADLINE_S)[1] == []


def test_a_second_graph_is_refused_in_one_line(tmp_path: Path) -> None:
    words = [*AMF, "up", f"session_directory:={tmp_path / 'second'}"]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "another robot node is up in namespace / of ROS domain" in refused.stderr
    assert "nodes are up" not in refused.stdout


def test_status_sees_all_nodes(directory: Path) -> None:
    # A new participant has to hear of every node first, which takes its time on busy cores.
    found: dict[str, Any] = {}

    def all_seen() -> bool:
        found.update(answer("status", "-d", directory))
        return bool(found["graph"]["nodes"] == {node.name: True for node in NODES})

    eventually(all_seen, "status to see all nodes")
    assert found["graph"]["robot"] == "ready" and found["checkpoints"] == ["pretrained"]
    assert "(rebalancing by pretrained)" in found["graph"]["next"]  # until the policy has tried each task


def test_record_says_who_drives_in_this_graph(directory: Path) -> None:
    refused = amf("record", "press_button", "--by", "person")
    assert refused.exit_code == 1 and "amf up demonstrator:=person" in refused.output


def test_status_says_what_is_wrong_in_plain_words(directory: Path) -> None:
    from std_srvs.srv import Trigger

    from amf_ros.ros import names
    from amf_ros.ros.client.graph_client import GraphClient

    def wrong() -> str:
        return "; ".join(answer("status", "-d", directory)["graph"]["wrong"])

    with GraphClient(wait_s=DEADLINE_S) as client:
        client.call(Trigger, names.STOP, Trigger.Request())
        try:
            eventually(lambda: "the arm holds still" in wrong(), "the stop to be told")
            assert "`amf enable` once it is safe" in wrong()
        finally:
            client.call(Trigger, names.RELEASE_STOP, Trigger.Request())
    eventually(lambda: "the arm holds still" not in wrong(), "the release to be told")


def test_tune_takes_the_next_round_and_evaluate_the_newest(directory: Path) -> None:
    assert answer("record", "press_button")["demonstrations"][0]["outcome"] == "success"
    assert answer("tune", "--steps", 5)["checkpoint"] == "round_0001"
    assert answer("evaluate", "press_button", "-n", 1)["checkpoint"] == "round_0001"
    assert answer("run", "press_button", "--checkpoint", directory / "checkpoints" / "pretrained")[
        "checkpoint"
    ] == ("pretrained")
    refused = amf("tune", "--steps", 7, "--round", 1)
    assert refused.exit_code == 1 and "--replace" in refused.stderr and refused.stderr.count("\n") == 1
    assert answer("tune", "--steps", 7, "--round", 1, "--replace")["round"] == 1


def test_record_makes_one_demonstration_each_and_tune_learns_from_them(directory: Path) -> None:
    before = len(list((directory / "demonstrations").glob("*.mcap")))
    made = answer("record", "press_button", "--count", 2)["demonstrations"]
    assert len({one["id"] for one in made}) == 2 and {one["outcome"] for one in made} == {"success"}
    assert {Path(one["uri"].removeprefix("file://")).parent for one in made} == {directory / "demonstrations"}
    tuned = answer("tune", "--steps", 5, "--round", 3)
    assert tuned["checkpoint"] == "round_0003" and tuned["num_demonstrations"] == before + 2


def test_run_and_evaluate_let_the_policy_drive() -> None:
    ran = answer("run", "press_button", "--seed", 3)
    assert ran["outcome"] in ("success", "failure") and ran["num_steps"] > 0
    counted = answer("evaluate", "press_button", "-n", 2)
    assert counted["tasks"]["press_button"]["episodes"] == 2


def test_next_answers_with_scores_and_reasons() -> None:
    asked = answer("next", "-c", "press_button", "-c", "push_green", "-n", 2, "--strategy", "round_robin")
    assert len(asked["task_ids"]) == 2 and asked["strategy"] == "round_robin"
    assert {score["task_id"] for score in asked["scores"]} == {"press_button", "push_green"}
    assert all(score["reason"] for score in asked["scores"])
    # Two of press_button were recorded: what they took, and ten seconds for each reset.
    assert all(10 < score["demonstration_s"] < 60 for score in asked["scores"])


def test_next_explains_as_a_table_and_as_a_picture(tmp_path: Path) -> None:
    words = ["next", "-c", "press_button", "-t", "press_button", "--strategy", "amf", "--explain"]
    asked = answer(*words)
    ((gain,),) = asked["gains"]
    assert asked["target_ids"] == ["press_button"] and asked["worthwhile"] and gain > 0
    assert gain == pytest.approx(asked["scores"][0]["information_gain"], rel=1e-3)
    shown = amf(*words, "--picture", tmp_path / "next.png")
    assert shown.exit_code == 0, shown.output
    assert "pb press_button" in shown.output and "each takes" in shown.output
    assert (tmp_path / "next.png").read_bytes().startswith(b"\x89PNG")
    assert shown.output.splitlines()[-1].endswith("next.png")
    refused = amf(*words[:5], "--strategy", "uniform", "--picture", tmp_path / "none.png")
    assert refused.exit_code == 1 and "computes no gains" in refused.stderr
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("record pres_button", "did you mean 'press_button'"),
        ("run pres_button", "did you mean 'press_button'"),
        ("next --strategy unifrom", "did you mean 'uniform'"),
        ("next -t press_button --weight -1", "weight"),
        ("run press_button --checkpoint /nowhere", "no checkpoint at '/nowhere'"),
        ("tune --demonstration nobody", "nobody"),
        ("next --namespace /other --wait 0.2", "nobody serves /other/task_selector/next_task"),
    ],
)
def test_what_a_node_refuses_is_one_line(line: str, said: str) -> None:
    done = amf(*line.split())
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_an_interrupted_session_says_how_to_go_on() -> None:
    words = ["session", "--strategy", "round_robin", "--rounds", "1", "--per-round", "1", "--steps", "5"]
    process = subprocess.Popen(
        [*AMF, *words, "--final-episodes", "9"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    _wait_for_phase("evaluating")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped; the same command continues the session"


def _wait_for_phase(phase: str) -> None:
    from amf_msgs.msg import SessionState
    from amf_ros.ros import names
    from amf_ros.ros.client.graph_client import GraphClient
    from amf_ros.session.base import Phase

    with GraphClient() as client:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            state = client.latched(SessionState, names.SESSION_STATE)
            if state is not None and state.phase == Phase[phase.upper()]:
                return
    pytest.fail(f"the session never was {phase}")
