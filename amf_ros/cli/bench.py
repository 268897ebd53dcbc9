"""``amf bench``: several strategies on any suite, compared seed by seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amf_ros.cli.check_suite import check_briefly
from amf_ros.cli.options import Contract, Json, Suite, panel
from amf_ros.cli.output import Output, on_interrupt, short
from amf_ros.core.defaults import STRATEGY

if TYPE_CHECKING:
    from amf_ros.core.config import PretrainConfig

_KNOWN_DEMONSTRATIONS = 5  # of every second task, where no file says what to pre-train on


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "The whole loop",
            "amf bench --suite kinematic --strategy amf --strategy uniform --seeds 5",
            "amf bench --suite my_lab.kitchen:KitchenSuite --pretrain kitchen.yaml --demonstrations 12",
        )
    )(bench)


def bench(
    suite: Suite = "",
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", help="Registered name, or package.module:Class; repeat it."),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Strategy that the others are compared with; it is run too.")
    ] = "uniform",
    pretrain: Annotated[
        str, typer.Option(help="What to pre-train on: a name in config/experiments, or a YAML file.")
    ] = "",
    policy: Annotated[
        str, typer.Option(help="Registered policy, or package.module:Class; empty: the file's, else mlp.")
    ] = "",
    contract: Contract = "",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each strategy.")] = 5,
    first_seed: Annotated[int, typer.Option(min=0, help="Everything random follows from the seed.")] = 0,
    demonstrations: Annotated[int, typer.Option(min=1, help="Of one session.")] = 12,
    batch: Annotated[int, typer.Option(min=1, help="Chosen together, then one fine-tuning.")] = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Per task after each round, and before.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; none: one per core.")] = None,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster; auto: the one on this machine.")] = "",
    out: Annotated[Path, typer.Option(help="Results, tables and plots; a second run continues.")] = Path(
        "runs/bench"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Make again what is there already.")] = False,
    as_json: Json = False,
) -> None:
    """Find out which strategy learns a suite with the fewest demonstrations.

    For each seed a policy is pre-trained; then every strategy runs a session from there, without ROS: choose,
    demonstrate with the suite's scripted experts, fine-tune, evaluate. Shows a table with 95% intervals,
    paired by seed, and writes plots. Without --pretrain every second task of the suite is known.
    """
    from amf_ros.core.plugins import load
    from amf_ros.sweep.jobs import How
    from amf_ros.sweep.publish import publish, show_all
    from amf_ros.sweep.sessions import Setting, run_sessions
    from amf_ros.sweep.statistics import collect

    output = Output(as_json)
    config = _config(suite, pretrain, policy, contract)
    known = [task for task, count in config.demonstrations.items() if count]
    output.say(f"suite {config.suite}, policy {config.policy}; pre-trained on {', '.join(known)}")
    setting = Setting(
        name=config.suite, pretraining=config, demonstrations=demonstrations, batch=batch, episodes=episodes
    )
    wanted = list(dict.fromkeys([*(strategy or [STRATEGY]), reference]))
    for name in wanted:
        load("strategy", name)
    check_briefly(output, config, out)
    runs = range(first_seed, first_seed + seeds)
    how: How = {"workers": workers, "ray_address": ray, "fresh": fresh}
    kept = f"stopped; finished runs are kept in {short(out.absolute())}, the same command continues"
    with on_interrupt(lambda: kept):
        rows, jobs = run_sessions("sessions", [setting], wanted, runs, out, how)
    found = publish(
        out, "bench", {config.suite: collect(rows)}, reference=reference, rows=rows, num_jobs=len(jobs)
    )

    def show() -> None:
        show_all(found, output.console if output.console.is_terminal else None)
        before = found.document["before"]
        note = f", {before} of them from before (--fresh makes all anew)" if before else ""
        output.say(f"{len(rows)} of {len(jobs)} runs{note}; plots and tables: {short(out.absolute())}")

    output.answer(found.document, show)
    if len(rows) < len(jobs):
        raise typer.Exit(1)


def _config(suite: str, pretrain: str, policy: str, contract: str) -> PretrainConfig:
    """Say what to pre-train on: the file's, with what options say instead, checked before anything starts.

    Raises:
        ConfigError: neither a suite nor a file is given, or something cannot be imported.
        UnknownName: a suite, policy, contract or task that does not exist.
    """
    from amf_ros.core.config import PretrainConfig, load_yaml
    from amf_ros.core.errors import ConfigError
    from amf_ros.core.paths import find_config
    from amf_ros.core.plugins import load
    from amf_ros.rollout.robot_environment import interface_of
    from amf_ros.tasks.loading import load_suite

    if not suite and not pretrain:
        raise ConfigError("no suite: give --suite, or --pretrain with a file that names one")
    change = {
        key: value for key, value in (("suite", suite), ("policy", policy), ("contract", contract)) if value
    }
    if pretrain:
        config = load_yaml(find_config("experiments", pretrain), PretrainConfig).model_copy(update=change)
    else:
        tasks = [task.id for task in load_suite(suite).tasks]
        config = PretrainConfig(demonstrations=dict.fromkeys(tasks[::2], _KNOWN_DEMONSTRATIONS), **change)
    found = load_suite(config.suite)
    for task_id in config.demonstrations:
        found.task(task_id)
    load("policy", config.policy)
    interface_of(found, config.contract)
    return config
