"""One job = one in-process session of one strategy, on any suite; what they share is made once.

    setting = Setting(name="mismatched", pretraining=load_yaml(path, PretrainConfig))
    rows, jobs = run_sessions("tabletop", [setting], ["amf", "uniform"], range(5), Path("runs/benchmarks"))
    panels = {"mismatched": collect(of_setting(rows, "mismatched"))}

A seed decides pre-training, starts, experts, choices and training. All strategies of a seed and a setting
start from the same checkpoint and are evaluated on the same starts; the checkpoint and its episodes are made
once and kept in ``out/starts``. Nothing else is written but the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from amf_ros.core.config import Model, PretrainConfig, SelectionConfig, TrainingConfig
from amf_ros.core.errors import ConfigError
from amf_ros.core.plugins import load as load_registered
from amf_ros.core.values import Outcome
from amf_ros.learning.checkpoints import Checkpoint, load, save_checkpoint
from amf_ros.learning.fine_tuning import Start
from amf_ros.rollout.episodes import run_policy
from amf_ros.rollout.robot_environment import Environment, make_environment
from amf_ros.session.local import Episodes
from amf_ros.session.memory import run_in_memory
from amf_ros.session.plan import Plan, derive_seed
from amf_ros.session.pretraining import CHECKPOINT_ID, pretrain_in_memory
from amf_ros.store.files import file_part
from amf_ros.store.rollouts import RolloutStore
from amf_ros.sweep.cluster import Row
from amf_ros.sweep.fingerprint import of_code, of_config, of_objects, short
from amf_ros.sweep.jobs import How, key_of, run
from amf_ros.sweep.pace import PacedEnvironment
from amf_ros.tasks.loading import load_suite


class Setting(Model):
    """What sessions of several strategies and seeds have in common."""

    name: str = Field(description="of the setting, as tables and plots show it")
    pretraining: PretrainConfig = Field(description="suite, policy and known tasks; each run sets the seed")
    training: TrainingConfig | None = Field(None, description="of fine-tuning; None = as pre-training")
    selection: SelectionConfig = SelectionConfig()
    start: Start = Field("pretrained", description="what each round's training begins with")
    candidates: tuple[str, ...] = Field((), description="may be demonstrated; empty = the whole suite")
    targets: tuple[str, ...] = Field((), description="to become good at; empty = the whole suite")
    demonstrations: int = Field(20, ge=1, description="of a session")
    batch: int = Field(4, ge=1, description="chosen together, then one fine-tuning")
    episodes: int = Field(4, ge=0, description="per target task after each round; 0 = none between")
    final_episodes: int = Field(
        0, ge=0, description="per target task before the first and after the last round; 0 = episodes"
    )
    attempts: int = Field(
        10,
        ge=1,
        description="at one demonstration, each from another start; then it goes on without",
    )
    pace: dict[str, float] = Field(
        {}, description="task id -> how many times longer its demonstrations take; 1 where left out"
    )

    @model_validator(mode="after")
    def _whole_rounds(self) -> Setting:
        if self.demonstrations % self.batch:
            raise ConfigError(
                f"setting {self.name!r}: demonstrations ({self.demonstrations}) must be a multiple of batch "
                f"({self.batch}); change one of them"
            )
        if not (self.episodes or self.final_episodes):
            raise ConfigError(
                f"setting {self.name!r}: episodes and final_episodes are both 0; give one of them"
            )
        return self

    def plan(self, strategy: str, seed: int) -> Plan:
        """Return the plan of one session."""
        return Plan(
            suite=self.pretraining.suite,
            candidates=self.candidates,
            targets=self.targets,
            strategy=strategy,
            num_rounds=self.demonstrations // self.batch,
            demonstrations_per_round=self.batch,
            evaluation_episodes=self.episodes,
            final_episodes=self.final_episodes,
            attempts=self.attempts,
            go_on=True,
            seed=seed,
        )


def run_sessions(
    name: str,
    settings: Sequence[Setting],
    strategies: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    how: How,
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Run every strategy in every setting with every seed, as far as it is not there yet.

    Args:
        name: of the sweep.
        settings: with different names.
        strategies: registered names, or package.module:Class.
        seeds: of the runs.
        out: folder of sweeps.
        how: workers, Ray and progress, as for :func:`amf_ros.sweep.jobs.run`.

    Returns:
        Rows that are done, with the result of :func:`session`, and all jobs.

    Raises:
        UnknownName: no such strategy.
        AmfError: see :func:`amf_ros.sweep.jobs.run`.
    """
    for strategy in strategies:
        load_registered("strategy", strategy)
    kept = (out / "starts").resolve()
    starts: dict[str, dict[str, Any]] = {}
    jobs = sessions_of(settings, strategies, seeds)
    known = {setting.name: setting for setting in settings}
    made_with = {setting.name: of_config(setting.pretraining, setting.selection) for setting in settings}
    for job in jobs:
        made = made_with[job["_name"]]
        asked = {**_start(known[job["_name"]], job["seed"]), "_made_with": made}
        folder = kept / f"{key_of(asked)}-{short({**of_code(), **made})}"
        starts[str(folder)] = {**asked, "_kept": str(folder)}
        own = of_objects(strategy=[job["strategy"]])
        job.update(_kept=str(folder), _made_with={**made, **own})
    run(f"{name}_starts", prepare, list(starts.values()), out, **how)
    return run(name, session, jobs, out, **how), jobs


def sessions_of(
    settings: Sequence[Setting], strategies: Sequence[str], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the jobs, seed by seed, so that a sweep that was stopped has whole seeds."""
    return [
        {
            "setting": setting.model_dump(mode="json"),
            "strategy": strategy,
            "seed": seed,
            "_name": setting.name,
        }
        for seed in seeds
        for setting in settings
        for strategy in strategies
    ]


def of_setting(rows: Sequence[Row], name: str) -> list[Row]:
    """Return the rows of one setting."""
    return [row for row in rows if row["job"]["setting"]["name"] == name]


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Make and keep what all sessions of a seed start from: the checkpoint, and episodes with it."""
    folder = Path(job["_kept"])
    config = PretrainConfig.model_validate(job["pretraining"])
    rollouts = RolloutStore(folder / "rollouts")
    with closing(make_environment(load_suite(config.suite), config.contract)) as environment:
        save_checkpoint(folder, pretrain_in_memory(config, environment))
        checkpoint = load(folder / CHECKPOINT_ID, (config.policy,))
        successes = 0
        for task_id in job["targets"] or [task.id for task in environment.suite.tasks]:
            for number in range(job["episodes"]):
                seed = derive_seed(config.seed, "evaluation", task_id, number)
                name = f"e{number:03d}_{file_part(task_id)}"
                made = run_policy(environment, checkpoint.policy, task_id, seed, name, CHECKPOINT_ID)
                successes += rollouts.save(made).outcome is Outcome.SUCCESS
    return {"successes": successes, "episodes": len(rollouts.all())}


def session(job: dict[str, Any]) -> dict[str, Any]:
    """Run one session of one strategy.

    Returns:
        Lists with one element per evaluated round, the first before any demonstration: ``demonstrations``
        (asked for) and ``minutes`` spent so far, ``success`` (mean over target tasks), ``seen``, ``unseen``
        (mean over those that pre-training knew, and the others; null where there is none), and in ``tasks``
        the success of each target task. ``chosen``: task ids in the order demonstrated; ``missed``: those
        that failed in all attempts, and count as asked for; ``attempts``: ``[round, task id, seconds]`` of
        each, failed ones too, and ``failed``: how many did; ``selection_s``: per round [s].
    """
    setting, seed = Setting.model_validate(job["setting"]), int(job["seed"])
    config = setting.pretraining.model_copy(update={"seed": seed})
    environment = make_environment(load_suite(config.suite), config.contract)
    with closing(PacedEnvironment(environment, setting.pace)) as paced:
        checkpoint, episodes = _started(setting, seed, job.get("_kept", ""), paced)
        _, told = run_in_memory(
            setting.plan(job["strategy"], seed),
            checkpoint,
            setting.selection.model_copy(update={"strategy": job["strategy"]}),
            setting.training or config.training,
            paced,
            start=setting.start,
            episodes=episodes,
        )
    return _measured(told, setting)


def minutes(
    attempts: Sequence[Sequence[Any]],
    rounds: Sequence[int],
    reset_s: float,
    pace: Mapping[str, float] | None = None,
) -> list[float]:
    """Time that demonstrating took until the end of each round, with resets [min].

    Args:
        attempts: ``[round, task id, seconds]``, as :func:`session` gives them.
        rounds: whose ends are meant.
        reset_s: of resetting the scene before each attempt [s].
        pace: task id -> how many times longer its attempts are to count, for runs of strategies that do not
            look at time: the same runs under other costs.
    """
    longer = pace or {}
    spent = [(number, reset_s + seconds * longer.get(task_id, 1.0)) for number, task_id, seconds in attempts]
    return [sum(seconds for number, seconds in spent if number <= end) / 60 for end in rounds]


def _start(setting: Setting, seed: int) -> dict[str, Any]:
    """Return what a session starts from, as a job for :func:`prepare`."""
    config = setting.pretraining.model_copy(update={"seed": seed})
    episodes = setting.final_episodes or setting.episodes
    return {
        "seed": seed,
        "pretraining": config.model_dump(mode="json"),
        "episodes": episodes,
        "targets": list(setting.targets),
    }


def _started(setting: Setting, seed: int, kept: str, environment: Environment) -> tuple[Checkpoint, Episodes]:
    """Return the checkpoint and the episodes with it: those that are kept, else new ones."""
    asked = {**_start(setting, seed), "_kept": kept}
    if not kept:
        config = PretrainConfig.model_validate(asked["pretraining"])
        return pretrain_in_memory(config, environment), {}
    folder = Path(kept)
    if not (folder / CHECKPOINT_ID).is_dir():
        prepare(asked)
    checkpoint = load(folder / CHECKPOINT_ID, (setting.pretraining.policy,))
    episodes: Episodes = {}
    for made in RolloutStore(folder / "rollouts").all():
        number = int(made.id[1:4])
        episodes[checkpoint.info, made.task_id, derive_seed(seed, "evaluation", made.task_id, number)] = made
    return checkpoint, episodes


def _measured(told: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    rounds = [entry for entry in told["history"] if entry["evaluation"]["episodes"]]
    numbers = [entry["round"] for entry in rounds]
    attempts = [
        [entry["round"], made["task_id"], made["duration_s"]]
        for entry in told["history"]
        for made in (*entry["demonstrations"], *entry["failed"])
    ]
    # Missed ones were asked for and cost their time; so strategies are compared where they asked as often.
    asked = {entry["round"]: len(entry["demonstrations"]) + len(entry["missed"]) for entry in told["history"]}
    known = {task_id for task_id, count in setting.pretraining.demonstrations.items() if count}
    rates = [_rates(entry["evaluation"]["tasks"]) for entry in rounds]
    return {
        "demonstrations": [sum(n for at, n in asked.items() if at <= number) for number in numbers],
        "minutes": minutes(attempts, numbers, setting.selection.reset_s),
        "success": [_mean(list(rate.values())) for rate in rates],
        "seen": [_mean([v for k, v in rate.items() if k in known]) for rate in rates],
        "unseen": [_mean([v for k, v in rate.items() if k not in known]) for rate in rates],
        "tasks": {task_id: [rate[task_id] for rate in rates] for task_id in rates[0]},
        "rounds": numbers,
        "chosen": told["demonstrations"],
        "missed": told["missed"],
        "failed": sum(len(entry["failed"]) for entry in told["history"]),
        "attempts": attempts,
        "selection_s": told["seconds"].get("selecting", 0.0) / max(told["rounds"], 1),
        "seconds": told["seconds"],
    }


def _rates(tasks: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    return {name: one["successes"] / one["episodes"] for name, one in tasks.items() if one["episodes"]}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
