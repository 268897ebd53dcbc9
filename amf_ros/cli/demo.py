"""``amf demo``: the whole loop on a simulated arm over the ROS graph, with a report at the end."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amf_ros.cli.graph import wait_ready
from amf_ros.cli.options import Json, Seed, panel
from amf_ros.cli.output import Output, fraction, interval, percent, short, undisturbed
from amf_ros.cli.ros_present import require_ros
from amf_ros.core.defaults import STRATEGY
from amf_ros.core.errors import AmfError, ConfigError

if TYPE_CHECKING:
    from amf_ros.cli.demo_files import DemoConfig, DemoFolder
    from amf_ros.core.config import PretrainConfig
    from amf_ros.session.plan import Plan

_READY_S = 120.0


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel("The whole loop", "amf demo", "amf demo --seed 7 --strategy uniform --out runs/uniform")
    )(demo)


def demo(
    seed: Seed = 0,
    strategy: Annotated[
        str, typer.Option(help="How to choose: amf_outcomes, amf, uniform, round_robin, rebalancing.")
    ] = STRATEGY,
    out: Annotated[Path, typer.Option(help="Session directory, report and summary.")] = Path("runs/demo"),
    demonstrations: Annotated[
        int | None, typer.Option(min=1, help="Instead of the file's number of demonstrations.")
    ] = None,
    config: Annotated[str, typer.Option(help="A name in config/experiments, or a YAML file.")] = "demo",
    as_json: Json = False,
) -> None:
    """Pre-train on some tasks, then let the strategy choose what to demonstrate, in simulation.

    Starts the whole ROS graph in lock-step, runs a session, evaluates before, between and after, and
    writes a report; its path is the last line. After Ctrl-C the same command continues.
    """
    require_ros()
    from amf_ros.cli.demo_files import DemoConfig, DemoFolder, pretrained_folder
    from amf_ros.core.config import PretrainConfig, load_yaml
    from amf_ros.core.paths import find_config
    from amf_ros.core.plugins import load

    output = Output(as_json)
    asked = load_yaml(find_config("experiments", config), DemoConfig)
    if demonstrations is not None:
        asked = asked.model_copy(update={"demonstrations": demonstrations})
    load("strategy", strategy, allow=())  # the nodes of the demo would import no other from a request
    training = load_yaml(find_config("experiments", asked.pretraining), PretrainConfig)
    training = training.model_copy(update={"seed": seed})
    folder = DemoFolder(out)
    plan = make_plan(asked, training, strategy, seed)
    keep = pretrained_folder(folder.root.parent, training)
    arguments = {"plan": plan.model_dump(mode="json"), "pretraining": keep.name}
    try:
        folder.prepare(arguments, output.say)
        _prepare_policy(output, folder, training, keep)
        _session(output, folder, plan, training.contract)
        output.step("report", "bold")
        with output.working("filming one episode before and after"):
            summary = _report(folder, training, _command(seed, strategy, out, demonstrations, config))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues the demo") from None
    output.answer(summary, lambda: _show(output, summary))


def make_plan(asked: DemoConfig, training: PretrainConfig, strategy: str, seed: int) -> Plan:
    """Make the plan of a demo's session.

    Raises:
        ConfigError: the demonstrations cannot be divided into rounds, or the suite cannot run on the graph.
    """
    from amf_ros.session.plan import Plan, resolve
    from amf_ros.tasks.loading import load_robot_suite

    rounds, rest = divmod(asked.demonstrations, asked.demonstrations_per_round)
    if rest:
        raise ConfigError(
            f"demonstrations: {asked.demonstrations} is not a multiple of demonstrations_per_round "
            f"{asked.demonstrations_per_round}; change one of them"
        )
    plan = Plan(
        suite=training.suite,
        candidates=asked.tasks,
        targets=asked.tasks,
        strategy=strategy,
        num_rounds=rounds,
        demonstrations_per_round=asked.demonstrations_per_round,
        evaluation_episodes=asked.evaluation_episodes,
        final_episodes=asked.final_episodes,
        fine_tune_steps=asked.fine_tune_steps,
        seed=seed,
    )
    return resolve(plan, [task.id for task in load_robot_suite(training.suite).tasks])


def _command(seed: int, strategy: str, out: Path, demonstrations: int | None, config: str) -> str:
    """Return what to type to get the same again; the short way where all else is as it comes."""
    given = {"--out": str(out), "--config": config} | (
        {"--demonstrations": str(demonstrations)} if demonstrations is not None else {}
    )
    if given == {"--out": "runs/demo", "--config": "demo"}:
        return f"make demo SEED={seed} STRATEGY={strategy}"
    return shlex.join(
        ["amf", "demo", "--seed", str(seed), "--strategy", strategy, *itertools.chain(*given.items())]
    )


def _prepare_policy(output: Output, folder: DemoFolder, training: PretrainConfig, keep: Path) -> None:
    """Put the pre-trained policy into the session, made unless it is there."""
    from amf_ros.cli.demo_files import copy_checkpoint

    seen = sum(count > 0 for count in training.demonstrations.values())
    output.step(
        f"pre-training: {sum(training.demonstrations.values())} demonstrations of {seen} tasks", "bold"
    )
    with _timed(folder, "pre-training"):
        copy_checkpoint(_pretrained(output, training, keep), folder.checkpoints)


def _pretrained(output: Output, training: PretrainConfig, keep: Path) -> Path:
    """Return the pre-trained checkpoint, made unless the same one is there already."""
    from amf_ros.cli.pretrain import run
    from amf_ros.learning.checkpoint_folder import list_checkpoints
    from amf_ros.session.pretraining import CHECKPOINT_ID

    if any(info.id == CHECKPOINT_ID for info in list_checkpoints(keep)):
        output.step(f"reusing {short(keep)}")
    else:
        run(output, training, keep)
    return keep / CHECKPOINT_ID


def _session(output: Output, folder: DemoFolder, plan: Plan, contract: str) -> None:
    """Run the session over the graph, in a ROS domain of its own."""
    from amf_ros.cli.session import over_graph
    from amf_ros.ros.start.supervise import Graph

    count = plan.num_rounds * plan.demonstrations_per_round
    output.step(
        f"session: {count} demonstrations of {len(plan.candidates)} tasks, chosen by {plan.strategy}", "bold"
    )
    arguments = {
        "suite": plan.suite,
        "contract": contract,
        "session_directory": str(folder.root),
        "real_time_factor": "0.0",
    }
    graph = Graph(
        arguments,
        folder.logs,
        environment={"ROS_LOG_DIR": str(folder.logs / "ros")},
        # A domain that is picked anew has no robot that could have been stopped before.
        extra={"robot": {"state_directory": json.dumps(str(folder.logs))}},
    )
    os.environ.update(graph.environment)  # for our own node
    try:
        with _timed(folder, "starting the graph"), output.working("starting the graph"):
            graph.start()
            wait_ready(graph, _READY_S)
        domain = graph.environment["ROS_DOMAIN_ID"]
        output.step(f"{len(graph.pids())} nodes are up in ROS domain {domain}, in lock-step")
        over_graph(output, plan, "", _READY_S)
    except AmfError:
        output.say(f"what the nodes said is in {short(folder.logs)}")
        raise
    finally:
        with undisturbed(), _timed(folder, "stopping the graph"), output.working("stopping the graph"):
            graph.stop()


def _report(folder: DemoFolder, training: PretrainConfig, command: str) -> dict[str, Any]:
    """Write report and summary; the summary last, for it says that the demo is finished."""
    from amf_ros.report.film import replay
    from amf_ros.report.gather import gather
    from amf_ros.report.page import write_page
    from amf_ros.session.journal import Journal
    from amf_ros.session.summary import summary
    from amf_ros.store.files import storage_errors, write_whole

    with _timed(folder, "report"):
        film = replay(folder.root, training.contract, (training.suite,))
    write_page(gather(folder.root, folder.seconds, command, allow=(training.suite,)), folder.report, film)
    with Journal(folder.root / "session.sqlite", read_only=True) as journal:
        story = summary(journal)
    story |= {"seconds": {**folder.seconds, **story["seconds"]}, "report": str(folder.report)}
    with storage_errors(folder.summary):
        write_whole(folder.summary, json.dumps(story, indent=2).encode())
    return story


def _show(output: Output, story: dict[str, Any]) -> None:
    before, after = story["success_before"], story["success_after"]
    rows = []
    for name in story["plan"]["targets"]:
        first, last = before["tasks"][name], after["tasks"][name]
        counts = [(one["successes"], one["episodes"]) for one in (first, last)]
        rows.append((name, story["demonstrations"].count(name) or "", *(fraction(*one) for one in counts)))
    totals = [(one["successes"], one["episodes"]) for one in (before, after)]
    total = ("all", len(story["demonstrations"]), *(fraction(*one) for one in totals))
    output.table("", ("task", ">demonstrated", ">before", ">after"), rows, total)
    said = [f"{percent(*one)} ({fraction(*one)} episodes, 95% interval {interval(*one)})" for one in totals]
    output.say(
        f"success {said[0]} before, {said[1]} after {len(story['demonstrations'])} demonstrations", "bold"
    )
    summary = Path(story["report"]).with_name("summary.json")
    output.say(
        f"{sum(story['seconds'].values()):.0f} s in all; figures in {os.path.relpath(summary)}, report:"
    )
    output.say(os.path.relpath(story["report"]))


@contextmanager
def _timed(folder: DemoFolder, phase: str) -> Iterator[None]:
    """Count the wall time of a phase, finished or not."""
    started = time.monotonic()
    try:
        yield
    finally:
        folder.spent(phase, time.monotonic() - started)
