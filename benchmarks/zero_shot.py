"""What a pre-trained policy does without any further demonstration, on the tabletop in one process.

    python benchmarks/zero_shot.py [--seeds 3] [--starts 16] [--pretraining pretrain pretrain_matched]

A seed decides pre-training and starts. Each policy is asked for every task of the suite, in the task's own
scene, and for its stacks of two cubes in other circumstances:
  seen     tasks with demonstrations in the pre-training
  stacks   the stacks among them, in their own scene or in that of tower_of_three, where a third cube lies
           within reach, and with the third cube named in the role aux or not
  unseen   tasks without a demonstration

Starts are the same for all policies of a seed. Intervals are 95% (Wilson) over all episodes of a row; the
counts of each seed stand beside them. Unfinished sweeps continue: run the same command again. --read computes
the tables of an earlier run again, from the outcome of every start in its zero_shot.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from amf_ros.core.config import PretrainConfig, load_yaml
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import find_config
from amf_ros.core.stats import wilson
from amf_ros.core.values import Array, Outcome, SceneState, Task
from amf_ros.rollout.episodes import run_policy
from amf_ros.rollout.robot_environment import RobotEnvironment, make_environment
from amf_ros.session.pretraining import pretrain_in_memory
from amf_ros.sweep.jobs import run
from amf_ros.sweep.script import OUT, guarded, how
from amf_ros.sweep.tables import Cells, markdown, show
from amf_ros.tasks.base import RobotSuite
from amf_ros.tasks.loading import load_suite

PRETRAINING = ("pretrain", "pretrain_matched")
THIRD = {"stack_red_on_blue": "cube_green", "stack_green_on_red": "cube_blue"}
TOWER = "tower_of_three"
GROUPS = ("seen", "stacks", "unseen")
Document = Mapping[str, Sequence[Mapping[str, Any]]]  # rows of results by the name of the pre-training


@dataclass(frozen=True)
class Question:
    """One task, asked in some circumstances.

    Attributes:
        id: of the question, as a task of :class:`Asked`.
        task_id: what the policy is told, and what counts as success.
        scene_id: the task whose starts are used.
        third: the object that is named in the role aux; empty = as the task has it.
    """

    id: str
    task_id: str
    scene_id: str
    third: str = ""


STACKS = tuple(
    Question(
        f"{task_id}, {'own' if scene == task_id else 'tower'} scene{', aux named' if third else ''}",
        task_id,
        scene,
        third,
    )
    for task_id, cube in THIRD.items()
    for scene in (task_id, TOWER)
    for third in ("", cube)
    if scene == TOWER or third
)


class Asked:
    """The suite with questions as further tasks; implements :class:`amf_ros.tasks.base.Suite`."""

    def __init__(self, suite: RobotSuite, questions: Sequence[Question]) -> None:
        self._suite, self.name, self.embedding_names = suite, suite.name, suite.embedding_names
        self._questions = {question.id: question for question in questions}
        self.tasks = tuple(self._task(question) for question in questions)

    def _task(self, question: Question) -> Task:
        task = self._suite.task(question.task_id)
        roles = {**task.roles, "aux": question.third} if question.third else task.roles
        return replace(task, id=question.id, roles=roles)

    def task(self, task_id: str) -> Task:
        """One question as a task."""
        return next(task for task in self.tasks if task.id == task_id)

    def embedding(self, task_id: str) -> Array:
        """Of the task that is asked for."""
        return self._suite.embedding(self._questions[task_id].task_id)

    def succeeded(self, task_id: str, scene: SceneState) -> bool:
        """Whether the task that is asked for is done."""
        return self._suite.succeeded(self._questions[task_id].task_id, scene)


class Elsewhere:
    """The robot, reset to the scene of each question; everything else as it is."""

    def __init__(self, robot: Any, questions: Sequence[Question]) -> None:
        self._robot, self._scenes = robot, {question.id: question.scene_id for question in questions}

    def reset(self, task_id: str, seed: int) -> None:
        """Start in the question's scene."""
        self._robot.reset(self._scenes[task_id], seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._robot, name)


def questions_of(config: PretrainConfig) -> dict[str, list[Question]]:
    """By group."""
    tasks = [Question(task.id, task.id, task.id) for task in load_suite(config.suite).tasks]
    seen = {task_id for task_id, count in config.demonstrations.items() if count}
    return {
        "seen": [question for question in tasks if question.id in seen],
        "stacks": [question for question in STACKS if question.task_id in seen],
        "unseen": [question for question in tasks if question.id not in seen],
    }


def start_of(seed: int, scene_id: str, number: int) -> int:
    """A seed for a start that no pre-training demonstration uses but by chance."""
    text = f"zero-shot/{seed}/{scene_id}/{number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Pre-train and ask: group -> question -> the outcome of each start (1: success)."""
    config = PretrainConfig.model_validate_json(json.dumps(job["pretraining"]))
    groups = questions_of(config)
    every = [question for questions in groups.values() for question in questions]
    with closing(make_environment(load_suite(config.suite), config.contract)) as environment:
        if not isinstance(environment, RobotEnvironment):
            raise ConfigError(f"suite {config.suite!r} has no robot; roles are of a robot's scene")
        policy = pretrain_in_memory(config, environment).policy
        asked: Any = Asked(environment.suite, every)
        robot: Any = Elsewhere(environment.simulator, every)
        environment.suite, environment.simulator = asked, robot
        return {
            group: {
                question.id: [
                    int(
                        run_policy(
                            environment,
                            policy,
                            question.id,
                            start_of(job["seed"], question.scene_id, n),
                            "asked",
                        ).outcome
                        is Outcome.SUCCESS
                    )
                    for n in range(job["starts"])
                ]
                for question in questions
            }
            for group, questions in groups.items()
        }


def counts(rows: Sequence[Mapping[str, Any]], group: str) -> dict[str, list[list[int]]]:
    """Question -> outcomes, a list per seed."""
    found: dict[str, list[list[int]]] = {}
    for row in rows:
        for question, outcomes in row["result"][group].items():
            found.setdefault(question, []).append(outcomes)
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], Cells]:
    """Success of every question, and of every group where it asks for more than one thing."""
    columns = ["question", "success", "95% interval", "rate", "by seed"]
    cells: Cells = []
    for group in GROUPS:
        found = counts(rows, group)
        if not found:
            continue
        together = [np.concatenate(seed).tolist() for seed in zip(*found.values(), strict=True)]
        cells.append(_row(f"all {group}", together))
        cells.extend(_row(question, own) for question, own in found.items())
    return columns, cells


def _row(name: str, outcomes: Sequence[Sequence[int]]) -> list[str]:
    done, total = sum(map(sum, outcomes)), sum(map(len, outcomes))
    low, high = wilson(done, total)
    return [
        name,
        f"{done}/{total}",
        f"[{low:.2f}, {high:.2f}]",
        f"{done / total:.2f}",
        " ".join(str(sum(own)) for own in outcomes),
    ]


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--pretraining", nargs="+", default=list(PRETRAINING), metavar="NAME", help="default: %(default)s")
    add("--contract", default="", help="name or path; default: the one that the pre-training file names")
    add("--seeds", type=int, default=3, help="how many, from --first-seed (default: %(default)s)")
    add("--first-seed", type=int, default=0, help="default: %(default)s")
    add("--starts", type=int, default=16, help="of each question (default: %(default)s)")
    add("--read", type=Path, metavar="FILE", help="run nothing: the tables of a zero_shot.json")
    add("--quick", action="store_true", help="a small version that shows that everything runs; no figures")
    add("--json", action="store_true", help="one JSON document on stdout in place of tables")
    add("--out", type=Path, default=OUT, help="results go there (default: %(default)s)")
    add("--workers", type=int, help="processes (default: one per core)")
    add("--fresh", action="store_true", help="make again what is there already")
    args = parser.parse_args()
    if args.seeds < 1 or args.first_seed < 0 or args.starts < 1:
        raise ConfigError("--seeds and --starts are at least 1, --first-seed at least 0")
    args.ray = ""
    return args


def jobs_of(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Plain data, one pre-training each."""
    jobs = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in args.pretraining:
            config = load_yaml(find_config("experiments", name), PretrainConfig)
            change: dict[str, Any] = {"seed": seed} | ({"contract": args.contract} if args.contract else {})
            if args.quick:
                change["demonstrations"] = dict.fromkeys(config.demonstrations, 1)
                change["training"] = config.training.model_copy(
                    update={"pretrain_steps": 20, "hidden": (16,)}
                )
            told = config.model_copy(update=change).model_dump(mode="json")
            jobs.append({"name": name, "seed": seed, "starts": args.starts, "pretraining": told})
    return jobs


def main() -> int:
    args = parse()
    if args.read:
        tell(json.loads(args.read.read_text()), args.json)
        return 0
    if args.quick:
        args.seeds, args.starts = 1, 1
    jobs = jobs_of(args)
    rows = run("zero_shot", work, jobs, args.out, **how(args))
    found = {name: [row for row in rows if row["job"]["name"] == name] for name in args.pretraining}
    document = {name: own for name, own in found.items() if own}
    (args.out / "zero_shot.md").write_text(text_of(document))
    (args.out / "zero_shot.json").write_text(json.dumps(document, indent=1) + "\n")
    tell(document, args.json)
    return int(len(rows) < len(jobs))


def text_of(document: Document) -> str:
    """The tables in Markdown."""
    return "".join(f"## {name}\n\n{markdown(*table(rows))}\n" for name, rows in document.items())


def tell(document: Document, as_json: bool) -> None:
    """Print the tables, or everything as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(document) + "\n")
        return
    for name, rows in document.items():
        show(name, *table(rows))


if __name__ == "__main__":
    sys.exit(guarded(main))
