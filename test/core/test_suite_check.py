"""``amf check-suite``: each suite here has exactly one fault, which is named; a good one has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.line_suite import GOALS, ClumsyLineSuite, HopelessLineSuite, LineSimulator, LineSuite
from typer.testing import CliRunner, Result

from amf_ros.cli.app import app
from amf_ros.core.errors import UnknownName
from amf_ros.core.values import Array, SceneState, Task
from amf_ros.rollout.suite_check import examine
from amf_ros.rollout.suite_findings import Examination
from amf_ros.tasks.base import Suite
from amf_ros.tasks.loading import load_suite
from amf_ros.tasks.tabletop import TabletopSuite


class IgnoresSeed(LineSimulator):
    def reset(self, task_id: str, seed: int) -> Array:
        return super().reset(task_id, 0)


class OwnRandomness(LineSimulator):
    rng = np.random.default_rng(0)

    def reset(self, task_id: str, seed: int) -> Array:
        return super().reset(task_id, int(self.rng.integers(1000)))


class Remembers(LineSimulator):
    """A reset that goes on from where the last episode ended, as if by a forgotten variable."""

    _x = 0.0

    def reset(self, task_id: str, seed: int) -> Array:
        left = 1e-3 * self._x
        super().reset(task_id, seed)
        self._x += left
        return np.array([self._x])


class MoodyExpert(LineSimulator):
    rng = np.random.default_rng(0)

    def expert(self) -> Array | None:
        wanted = super().expert()
        return None if wanted is None else wanted * self.rng.uniform(0.5, 1.0)


class AlwaysThere(LineSimulator):
    succeeded = True

    def expert(self) -> Array | None:
        return np.array([0.1])


class Method(LineSimulator):
    def succeeded(self) -> bool:  # type: ignore[override]
        return False


class NotANumber(LineSimulator):
    succeeded = float("nan")  # type: ignore[assignment]


class TwoNumbers(LineSimulator):
    def step(self, action: Array) -> Array:
        return np.repeat(super().step(action), 2)


class Infinite(LineSimulator):
    def step(self, action: Array) -> Array:
        return super().step(action) / 0.0


class Millimetres(LineSimulator):
    def reset(self, task_id: str, seed: int) -> Array:
        return 1000.0 * super().reset(task_id, seed)

    def step(self, action: Array) -> Array:
        return 1000.0 * super().step(action)


class Drifts(LineSimulator):
    """The point falls to its goal by itself."""

    def step(self, action: Array) -> Array:
        return super().step(action + np.clip(self._goal - self._x, -0.3, 0.3))


class KnowsEveryTask(LineSuite):
    def task(self, task_id: str) -> Task:
        return next((task for task in self.tasks if task.id == task_id), self.tasks[0])


class SaysKeyError(LineSuite):
    def task(self, task_id: str) -> Task:
        return {task.id: task for task in self.tasks}[task_id]


class Bounded(LineSuite):
    action_low, action_high = (-0.25,), (0.25,)


def of(simulator: type) -> LineSuite:
    return type("Suite", (LineSuite,), {"environment": simulator})()


def checked(suite: Suite, **how: Any) -> Examination:
    return examine(suite, **{"seeds": 5, **how})


def told(made: Examination, severity: str) -> list[str]:
    return [f"{finding.what}: {finding.found}" for finding in made.findings if finding.severity == severity]


def test_a_good_suite_has_nothing_to_mend() -> None:
    made = checked(LineSuite())
    assert told(made, "wrong") == [] and told(made, "hint") == []
    assert [one.task_id for one in made.tasks] == list(GOALS)
    assert all((one.seeds, one.successes, one.limit) == (5, 5, 20) for one in made.tasks)
    assert made.tasks[0].rate == "5/5 [0.57, 1.00]"


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        (of(IgnoresSeed), "starts: far_left: 5 seeds give one start; reset must use the seed"),
        (of(OwnRandomness), "starts: far_left: seed 0 starts elsewhere later, by up to"),
        (of(Remembers), "starts: far_left: seed 0 starts elsewhere"),
        (of(MoodyExpert), "repeats: far_left: seed 0 gives"),
        (of(AlwaysThere), "nothing done: far_left: succeeded is True after one step of doing nothing"),
        (of(Method), "simulator: suite 'line': succeeded is a method"),
        (of(NotANumber), "steps: far_left: suite 'line': succeeded is nan; it must be True or False"),
        (of(TwoNumbers), "steps: far_left: suite 'line': observation has shape (2,), its names say (1,)"),
        (of(Infinite), "steps: far_left: suite 'line': observation x is"),
        (HopelessLineSuite(), "expert: never did far_left in 5 starts"),
        (KnowsEveryTask(), "unknown id: task('no such task') answers; it must raise UnknownName"),
        (
            Bounded(),
            "steps: far_left: suite 'line': the expert's action dx is -0.5, declared are",
        ),
    ],
    ids=lambda value: value.environment.__name__ if isinstance(value, LineSuite) else "",
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_would_make_numbers_wrong_is_named_and_nothing_else(suite: LineSuite, said: str) -> None:
    (wrong,) = told(checked(suite), "wrong")
    assert wrong.startswith(said)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        (of(Millimetres), "observations: degrees or millimetres, in place of radians and metres? x up to 2"),
        (of(Drifts), "nothing done: doing nothing till the end succeeded in far_left, left, near_left and 3"),
        (ClumsyLineSuite(), "expert: fails now and then, and is then asked again: far_left "),
        (
            SaysKeyError(),
            "unknown id: task('no such task') raises KeyError; raise amf_ros.core.errors.UnknownName",
        ),
    ],
    ids=["Millimetres", "Drifts", "Clumsy", "SaysKeyError"],
)
def test_what_is_odd_is_a_hint(suite: LineSuite, said: str) -> None:
    made = checked(suite, seeds=8)
    assert told(made, "wrong") == []
    (hint,) = told(made, "hint")
    assert hint.startswith(said)


def test_a_few_failures_in_a_brief_look_are_no_verdict() -> None:
    made = checked(HopelessLineSuite(), seeds=3)
    assert made.wrong == () and told(made, "hint")[0].startswith("expert: never did far_left in 3 starts")


def test_a_brief_look_begins_no_task_after_its_time() -> None:
    (only,) = checked(LineSuite(), within_s=0.0).tasks
    assert only.seeds == 1  # and that one is looked at less closely


def test_a_robots_suite_is_looked_at_as_well() -> None:
    made = checked(TabletopSuite(), seeds=2, task_ids=["press_button"])
    assert told(made, "wrong") == [] and made.tasks[0].successes == 2

    class Numbers(TabletopSuite):
        def succeeded(self, task_id: str, scene: SceneState) -> bool:
            return float(super().succeeded(task_id, scene))  # type: ignore[return-value]

    (wrong,) = told(checked(Numbers(), seeds=2, task_ids=["press_button"]), "wrong")
    assert "succeeded('press_button', scene) returns is 0.0; it must be True or False" in wrong


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'left'"):
        checked(load_suite("support.line_suite:LineSuite"), task_ids=["lefd"])


def amf(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_the_command_shows_a_table_and_ends_with_1_where_something_is_wrong() -> None:
    good = amf("check-suite", "support.line_suite:LineSuite", "--seeds", "3")
    assert good.exit_code == 0, good.output
    assert "nothing would make numbers wrong" in good.stdout and "far_right" in good.stdout
    bad = amf("check-suite", "support.line_suite:HopelessLineSuite", "--seeds", "5", "--json")
    document = json.loads(bad.stdout)
    assert bad.exit_code == 1 and document["verdict"] == "wrong"
    assert [f["what"] for f in document["findings"] if f["severity"] == "wrong"] == ["expert"]
    assert document["tasks"][0]["successes"] == 0


WRONG = f"{__name__}:IgnoresSeedSuite"


class IgnoresSeedSuite(LineSuite):
    environment = IgnoresSeed


@pytest.mark.parametrize("command", ["bench", "pretrain"])
def test_bench_and_pretrain_look_before_they_begin(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("line.yaml").write_text(
        f"suite: {WRONG}\ndemonstrations: {{near_left: 1}}\n"
        "training: {hidden: [8], pretrain_steps: 20, num_steps: 10}\n"
    )
    words = {
        "bench": ("--pretrain", "line.yaml", "--out", "out"),
        "pretrain": ("line.yaml", "-d", "out"),
    }
    done = amf(command, *words[command])
    assert done.exit_code == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(
        f"error: suite '{WRONG}' would give wrong numbers: starts: near_left: 3 seeds give"
    )
    assert f"`amf check-suite {WRONG}` says more" in said
    assert not Path("out").exists()


def test_a_suite_that_was_looked_at_is_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amf_ros.cli.check_suite import check_briefly
    from amf_ros.cli.output import Output
    from amf_ros.core.config import PretrainConfig

    config = PretrainConfig(suite="support.line_suite:ClumsyLineSuite", demonstrations={"left": 1})
    looked: list[str] = []

    def look(*words: Any, **how: Any) -> Examination:
        looked.append(how["task_ids"][0])
        return examine(*words, **how)

    monkeypatch.setattr("amf_ros.rollout.suite_check.examine", look)
    for _ in range(2):
        check_briefly(Output(), config, tmp_path)
    assert looked == ["left"]  # what is pre-trained on comes first
    (path,) = (tmp_path / "suite_checks").iterdir()
    assert json.loads(path.read_text())["suite"] == config.suite
    monkeypatch.setattr(ClumsyLineSuite, "version", "2", raising=False)
    check_briefly(Output(), config, tmp_path)
    assert looked == ["left", "left"]
    check_briefly(Output(), config.model_copy(update={"suite": "tabletop"}), tmp_path / "none")
    assert not (tmp_path / "none").exists()
