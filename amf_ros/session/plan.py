"""What a session is asked to do, and the seeds that follow from it. Imports config and errors.

plan = resolve(Plan(num_rounds=4, demonstrations_per_round=3), suite.task_ids)
derive_seed(plan.seed, "evaluation", "open_door", 0)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import Field

from amf_ros.core.config import Model
from amf_ros.core.defaults import STRATEGY, SUITE
from amf_ros.core.errors import ConfigError, PlanChanged, listed
from amf_ros.core.values import indices

MAX_ATTEMPTS = 3  # at one demonstration, in one run of the session


class Plan(Model):
    """One session; mirrors the goal of ``amf_msgs/RunSession``. Its directory holds this one plan only."""

    suite: str = Field(SUITE, description="registered suite, or package.module:Class")
    candidates: tuple[str, ...] = Field(
        (), description="tasks that may be demonstrated; empty = the whole suite"
    )
    targets: tuple[str, ...] = Field((), description="tasks to become good at; empty = the whole suite")
    strategy: str = Field(STRATEGY, description="registered strategy, or package.module:Class")
    num_rounds: int = Field(4, ge=1, description="select, demonstrate, fine-tune, evaluate: that many times")
    demonstrations_per_round: int = Field(
        3, ge=1, le=1000, description="chosen as one batch, then one fine-tuning"
    )
    evaluation_episodes: int = Field(
        0, ge=0, description="per target task before the first and after each round"
    )
    final_episodes: int = Field(
        0,
        ge=0,
        description="per target task before the first and after the last round; 0 = evaluation_episodes",
    )
    fine_tune_steps: int = Field(0, ge=0, description="gradient steps a round; 0 = the trainer's default")
    stop_early: bool = Field(
        False,
        description="end when another demonstration is not worth it: its expected gain is below stop_below",
    )
    attempts: int = Field(MAX_ATTEMPTS, ge=1, description="at one demonstration, each from another start")
    go_on: bool = Field(
        False,
        description="where all attempts at a demonstration failed go on without it; else the session ends, "
        "and running it again tries further starts",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="everything random follows from it")

    def episodes(self, round: int) -> int:
        """Return the evaluation episodes per target task after ``round`` (0 = before the first)."""
        if round in (0, self.num_rounds):
            return self.final_episodes or self.evaluation_episodes
        return self.evaluation_episodes


def resolve(plan: Plan, task_ids: Sequence[str]) -> Plan:
    """Return the plan with its empty sets written out, in the suite's order.

    Raises:
        UnknownName: a candidate or target is not in the suite.
        ConfigError: a task stands twice.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for name, wanted in (("candidates", plan.candidates), ("targets", plan.targets)):
        rows = indices("task", tuple(task_ids), wanted)
        if len(set(rows)) != len(rows):
            raise ConfigError(f"{name}: each task may stand once, got {listed(wanted)}; remove the duplicate")
        sets[name] = tuple(task_ids[row] for row in sorted(rows)) if rows else tuple(task_ids)
    return plan.model_copy(update=sets)


def check_continues(stored: Plan, wanted: Plan) -> None:
    """Whether ``wanted`` continues ``stored``: equal, more rounds, other attempts, or no early stop any more.

    Raises:
        PlanChanged: names the first difference and both values.
    """
    for key in Plan.model_fields:
        before, after = getattr(stored, key), getattr(wanted, key)
        if before == after or (key == "num_rounds" and after > before) or (key == "stop_early" and before):
            continue
        if key == "attempts" and not stored.go_on:
            continue  # it only says when a person is asked
        # Switched on later, it would end the session in a round that is done already.
        hint = {
            "num_rounds": "num_rounds may only grow; ",
            "stop_early": "stop_early may only be switched off; ",
        }.get(key, "")
        raise PlanChanged(
            f"this session directory holds a plan with {key} {before!r}, asked for {after!r}: "
            f"{hint}ask for the same again to continue, or use a new session directory"
        )


def derive_seed(seed: int, *parts: str | int) -> int:
    """Return a seed below 2**31 that depends on all arguments, alike on every machine and Python."""
    kinds = (f"{'str' if isinstance(part, str) else 'int'}:{part}" for part in parts)
    text = "\x1f".join([str(seed), *kinds])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
