"""Algorithm 1 over a worker of plain files: what is asked for, in which order, and going on after a kill."""

import json
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import Cancelled, ConfigError, DataError, PlanChanged, SelectionError, UnknownName
from amf_ros.core.plugins import load
from amf_ros.core.values import CheckpointInfo, Outcome
from amf_ros.selection.base import Problem, Selection, TaskRecord
from amf_ros.selection.problem_checks import target_weights
from amf_ros.session.base import EpisodeResult, Phase, Tuning
from amf_ros.session.journal import Journal
from amf_ros.session.loop import MAX_ATTEMPTS, audit_episodes, run
from amf_ros.session.plan import Plan, resolve
from amf_ros.session.summary import history, summary

TASKS = tuple("abcde")


class Killed(BaseException):
    """As SIGKILL: nothing in between may catch it."""


class CountingWorker:
    """A policy that does a task as well as it was shown often; its stores are files, as a worker's are.

    ``kill_at``: the n-th call dies, before its effect or after it.
    """

    def __init__(self, plan, folder, kill_at=None, after=False, clumsy=0):
        self.plan, self.folder, self.kill_at, self.after, self.clumsy = plan, folder, kill_at, after, clumsy
        self.calls = []

    def _call(self, kind, arguments, effect):
        self.calls.append((kind, arguments))
        dies = self.kill_at is not None and len(self.calls) > self.kill_at
        if dies and not self.after:
            raise Killed
        value = effect()
        if dies:
            raise Killed
        return value

    def _write(self, name, value):
        (self.folder / name).write_text(json.dumps(value))

    def _read(self, pattern):
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(pattern))]

    def checkpoint(self):
        return self._call(
            "checkpoint", (), lambda: CheckpointInfo("pretrained", "file:///pretrained", "counting", 0, 0)
        )

    def select(self, num_tasks, seed):
        demos = [d for d in self._read("demo_*") if d["outcome"] != Outcome.FAILURE]
        states = {
            key: np.random.default_rng(ord(key)).normal(size=(4, 8)).astype(np.float32) for key in TASKS
        }
        records = tuple(
            TaskRecord(key, states[key], sum(d["task_id"] == key for d in demos), num_pretraining=0)
            for key in TASKS
        )
        seen = [states[d["task_id"]] for d in demos]
        problem = Problem(
            records,
            self.plan.candidates,
            target_weights(TASKS, self.plan.targets),
            np.concatenate([np.zeros((0, 8), np.float32), *seen]),
            num_tasks=num_tasks,
            seed=seed,
        )
        strategy = load("strategy", self.plan.strategy)(SelectionConfig())
        return self._call("select", (num_tasks, seed), lambda: strategy.select(problem))

    def demonstrate(self, task_id, demonstration_id, seed):
        attempt = int(demonstration_id.split("_a")[1][0])
        outcome = Outcome.FAILURE if attempt < self.clumsy else Outcome.SUCCESS
        value = {"task_id": task_id, "seed": seed, "outcome": outcome}
        self._call(
            "demonstrate",
            (task_id, demonstration_id, seed),
            lambda: self._write(f"demo_{demonstration_id}", value),
        )
        return EpisodeResult(outcome, 50, 2.5)

    def fine_tune(self, initial, round, num_steps, seed, note):
        demos = Counter(d["task_id"] for d in self._read("demo_*") if d["outcome"] != Outcome.FAILURE)
        info = CheckpointInfo(
            f"round_{round:03d}", f"file:///round_{round:03d}", "counting", round, demos.total()
        )
        note("step 1/2, loss 0.5")
        arguments = (initial.id, round, num_steps, seed)
        self._call("fine_tune", arguments, lambda: self._write(info.id, demos))
        return Tuning(info, 0.5)

    def rollout(self, checkpoint, task_id, rollout_id, seed):
        (shown,) = self._read(checkpoint.id) or [{}]
        able = np.random.default_rng(seed).uniform() < shown.get(task_id, 0) / 2
        self._call(
            "rollout",
            (checkpoint.id, task_id, rollout_id, seed),
            lambda: self._write(f"rollout_{rollout_id}", bool(able)),
        )
        return EpisodeResult(Outcome.SUCCESS if able else Outcome.FAILURE, 40, 2.0)


def make_plan(**changes):
    defaults = {"num_rounds": 3, "demonstrations_per_round": 2, "evaluation_episodes": 1, "final_episodes": 2}
    return resolve(Plan(**{**defaults, **changes}), TASKS)


def play(plan, folder, worker=None, report=lambda state: None, **kwargs):
    """Run to the end; what the stores hold then, and the journal's summary without what a clock decides."""
    folder.mkdir(exist_ok=True)
    worker = worker or CountingWorker(plan, folder)
    with Journal(folder / "session.sqlite") as journal:
        result = run(plan, worker, journal, report, **kwargs)
        told = summary(journal)
    told.pop("seconds")
    files = {path.name: path.read_text() for path in sorted(folder.glob("[dr]*_*"))}
    return result, told, files


def test_the_steps_are_algorithm_1(tmp_path):
    plan = make_plan(num_rounds=2, strategy="round_robin", seed=5)
    worker = CountingWorker(plan, tmp_path)
    result, told, _ = play(plan, tmp_path, worker)
    kinds = [kind for kind, _ in worker.calls]
    expected = ["checkpoint"] + ["rollout"] * 10
    expected += ["select", "demonstrate", "demonstrate", "fine_tune"] + ["rollout"] * 5
    expected += ["select", "demonstrate", "demonstrate", "fine_tune"] + ["rollout"] * 10
    assert kinds == expected
    assert [a[1] for k, a in worker.calls if k == "demonstrate"] == [
        "r001_i0_a0_a", "r001_i1_a0_b", "r002_i0_a0_c", "r002_i1_a0_d",
    ]  # fmt: skip
    assert [a[0] for k, a in worker.calls if k == "fine_tune"] == ["pretrained", "round_001"]
    seeds = [a[-1] for k, a in worker.calls if k in ("select", "fine_tune", "demonstrate")]
    assert len(set(seeds)) == len(seeds) == 8
    assert result.demonstrations == tuple("abcd") == tuple(told["demonstrations"])
    assert result.checkpoint.id == "round_002" and result.rounds_completed == told["rounds"] == 2


def test_evaluation_starts_are_paired_over_rounds_and_strategies(tmp_path):
    seeds = {}
    for strategy in ("round_robin", "uniform"):
        plan = make_plan(strategy=strategy)
        worker = CountingWorker(plan, tmp_path / strategy)
        play(plan, tmp_path / strategy, worker)
        for kind, arguments in worker.calls:
            if kind == "rollout":
                checkpoint_id, task_id, rollout_id, seed = arguments
                assert rollout_id == f"{checkpoint_id}_e{rollout_id[-4:-2]}_{task_id}"
                seeds.setdefault((task_id, rollout_id[-4:-2]), set()).add(seed)
    assert all(len(same) == 1 for same in seeds.values())
    assert len({*map(tuple, seeds.values())}) == len(seeds) == 10


@pytest.mark.parametrize("strategy", ["amf", "uniform"])
@pytest.mark.parametrize("after", [False, True])
def test_a_session_killed_at_any_call_ends_as_one_that_was_not(tmp_path, strategy, after):
    plan = make_plan(num_rounds=2, strategy=strategy, evaluation_episodes=0, final_episodes=1, seed=3)
    whole = play(plan, tmp_path / "whole", CountingWorker(plan, tmp_path / "whole", clumsy=1))
    calls = 1 + 5 + 2 * (1 + 4 + 1) + 5
    for number in range(calls):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with pytest.raises(Killed):
            play(plan, folder, CountingWorker(plan, folder, kill_at=number, after=after, clumsy=1))
        again = CountingWorker(plan, folder, clumsy=1)
        assert play(plan, folder, again) == whole
        assert len(again.calls) == calls - number


def test_a_session_killed_at_every_call_still_ends_the_same(tmp_path):
    plan = make_plan(num_rounds=2)
    whole = play(plan, tmp_path / "whole")
    folder = tmp_path / "killed"
    folder.mkdir()
    for _ in range(200):
        try:
            assert play(plan, folder, CountingWorker(plan, folder, kill_at=1)) == whole
            return
        except Killed:
            pass
    pytest.fail("no progress between kills")


def test_a_finished_session_run_again_does_nothing(tmp_path):
    plan = make_plan()
    first = play(plan, tmp_path)
    worker = CountingWorker(plan, tmp_path)
    assert play(plan, tmp_path, worker) == first and worker.calls == []


def test_more_rounds_extend_a_session(tmp_path):
    plan = make_plan(num_rounds=1, final_episodes=0)
    play(plan, tmp_path / "extended")
    longer = make_plan(num_rounds=3, final_episodes=0)
    assert play(longer, tmp_path / "extended") == play(longer, tmp_path / "at_once")
    with pytest.raises(PlanChanged, match="seed"):
        play(replace_plan(longer, seed=9), tmp_path / "extended")


def replace_plan(plan, **changes):
    return plan.model_copy(update=changes)


def test_a_strategy_that_needs_states_gets_one_audit_of_each_task(tmp_path):
    plan = make_plan(
        evaluation_episodes=0, final_episodes=0, candidates=("a", "b"), targets=("b", "c"), num_rounds=1
    )
    for strategy, expected in (("amf", ["b", "c", "a"]), ("uniform", [])):
        worker = CountingWorker(plan := replace_plan(plan, strategy=strategy), tmp_path / strategy)
        result, told, _ = play(plan, tmp_path / strategy, worker)
        assert [a[1] for k, a in worker.calls if k == "rollout"] == expected
        assert result.evaluations == {} and told["success_after"]["episodes"] == 0
        assert told["success_before"]["episodes"] == len([key for key in expected if key != "a"])


def test_a_strategy_that_looks_at_outcomes_gets_the_audit_that_it_asks_for(tmp_path):
    plan = make_plan(evaluation_episodes=0, final_episodes=1, candidates=("a", "b"), targets=("b", "c"))
    worker = CountingWorker(plan := replace_plan(plan, strategy="audit_then_count"), tmp_path)
    result, _, _ = play(plan, tmp_path, worker)
    audited = Counter(a[1] for k, a in worker.calls if k == "rollout" and a[0] == "pretrained")
    assert audited == {"a": 4, "b": 4, "c": 4}
    assert result.evaluations.keys() == {"b", "c"} and all(n == 1 for n, _ in result.evaluations.values())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"needs_states": False}, 0),
        ({"needs_states": True}, 1),
        ({"needs_states": True, "audit_episodes": 0}, 1),
        ({"needs_states": True, "audit_episodes": 3}, 3),
        ({"needs_states": False, "audit_episodes": 2}, 2),
    ],
)
def test_outsiders_strategies_may_leave_the_audit_out(monkeypatch, attributes, expected):
    monkeypatch.setattr(sys.modules[__name__], "Theirs", type("Theirs", (), attributes), raising=False)
    assert audit_episodes(f"{__name__}:Theirs") == expected


@pytest.mark.parametrize("wanted", [-1, 1.5, True, "four"])
def test_an_audit_of_no_number_of_episodes_is_refused(monkeypatch, wanted):
    attributes = {"needs_states": True, "audit_episodes": wanted}
    monkeypatch.setattr(sys.modules[__name__], "Theirs", type("Theirs", (), attributes), raising=False)
    with pytest.raises(ConfigError, match="audit_episodes is"):
        audit_episodes(f"{__name__}:Theirs")


class Satisfied(CountingWorker):
    """Its strategy says from the third demonstration on that another one is not worth it."""

    def select(self, num_tasks, seed):
        enough = len(self._read("demo_*")) >= 3
        return replace(super().select(num_tasks, seed), worthwhile=not enough)


def test_stop_early_ends_the_session_where_nothing_is_worth_it(tmp_path):
    plan = make_plan(num_rounds=5, stop_early=True, strategy="round_robin")
    states = []
    result, told, _ = play(plan, tmp_path, Satisfied(plan, tmp_path), states.append)
    assert result.stopped_early and result.rounds_completed == 2 == told["rounds"]
    assert result.demonstrations == ("a", "b", "c", "d") and result.checkpoint.id == "round_002"
    assert states[-1].detail.startswith("done: 2 rounds, another demonstration is not worth it, success ")
    # The last evaluation is as large as that of a session that went through all its rounds.
    assert all(episodes == 2 for episodes, _ in result.evaluations.values())
    assert told["success_after"]["episodes"] == 10 and told["stopped_early"]
    assert [entry["selected"] for entry in told["history"]] == [[], ["a", "b"], ["c", "d"], []]
    assert [entry["worthwhile"] for entry in told["history"]] == [True, True, True, False]


def test_a_session_that_stopped_early_and_is_run_again_does_nothing(tmp_path):
    plan = make_plan(num_rounds=5, stop_early=True, strategy="round_robin")
    first = play(plan, tmp_path, Satisfied(plan, tmp_path))
    worker = Satisfied(plan, tmp_path)
    assert play(plan, tmp_path, worker) == first and worker.calls == []


def test_a_session_killed_while_it_stops_early_ends_as_one_that_was_not(tmp_path):
    plan = make_plan(num_rounds=4, stop_early=True)
    whole = play(plan, tmp_path / "whole", counted := Satisfied(plan, mkdir(tmp_path / "whole")))
    for kill_at in range(len(counted.calls) - 12, len(counted.calls)):
        folder = mkdir(tmp_path / f"killed_{kill_at}")
        with pytest.raises(Killed):
            play(plan, folder, Satisfied(plan, folder, kill_at=kill_at))
        assert play(plan, folder, Satisfied(plan, folder)) == whole


def test_without_stop_early_the_state_only_says_that_nothing_is_worth_it(tmp_path):
    plan = make_plan(num_rounds=3, strategy="round_robin")
    states = []
    result, told, files = play(plan, mkdir(tmp_path / "a"), Satisfied(plan, tmp_path / "a"), states.append)
    plain, _, same = play(plan, tmp_path / "b")
    assert result == plain and files == same and result.rounds_completed == 3 and not result.stopped_early
    assert any(s.phase is Phase.SELECTING and "not expected to be worth it" in s.detail for s in states)
    assert not told["stopped_early"] and [e["worthwhile"] for e in told["history"]][-1] is False


def test_stop_early_may_be_switched_off_later_but_not_on(tmp_path):
    plan = make_plan(num_rounds=3, stop_early=True, strategy="round_robin")
    stopped, _, _ = play(plan, tmp_path, Satisfied(plan, tmp_path))
    further = replace_plan(plan, stop_early=False)
    gone_on, told, _ = play(further, tmp_path, Satisfied(further, tmp_path))
    assert stopped.rounds_completed == 2 and gone_on.rounds_completed == 3 and not told["stopped_early"]
    assert told["history"][3]["selected"] == ["e", "a"]
    with pytest.raises(PlanChanged, match="may only be switched off"):
        play(plan, tmp_path, Satisfied(plan, tmp_path))


def mkdir(folder):
    folder.mkdir()
    return folder


def test_failed_demonstrations_are_tried_again_from_other_starts(tmp_path):
    plan = make_plan(num_rounds=1, strategy="round_robin")
    worker = CountingWorker(plan, tmp_path, clumsy=2)
    _, told, _ = play(plan, tmp_path, worker)
    made = [a for k, a in worker.calls if k == "demonstrate"]
    assert [a[1] for a in made[:3]] == ["r001_i0_a0_a", "r001_i0_a1_a", "r001_i0_a2_a"]
    assert len({a[2] for a in made}) == 6
    assert told["demonstrations"] == ["a", "b"] and len(told["history"][1]["failed"]) == 4


def test_a_task_that_keeps_failing_stops_the_session_until_it_is_run_again(tmp_path):
    plan = make_plan(num_rounds=1, strategy="round_robin")
    with pytest.raises(DataError, match=f"'a' failed {MAX_ATTEMPTS} times"):
        play(plan, tmp_path, CountingWorker(plan, tmp_path, clumsy=5))
    worker = CountingWorker(plan, tmp_path, clumsy=5)
    with pytest.raises(DataError, match="'b' failed"):  # a works at its sixth start, b has had three by then
        play(plan, tmp_path, worker)
    assert [a[1] for k, a in worker.calls if k == "demonstrate"][:3] == [f"r001_i0_a{n}_a" for n in (3, 4, 5)]
    assert play(plan, tmp_path, CountingWorker(plan, tmp_path, clumsy=5))[0].demonstrations == ("a", "b")


def test_the_nth_demonstration_of_a_task_starts_alike_whoever_chose_it(tmp_path):
    starts = {}
    for strategy in ("uniform", "round_robin"):
        plan = make_plan(num_rounds=5, strategy=strategy)
        worker = CountingWorker(plan, tmp_path / strategy)
        play(plan, tmp_path / strategy, worker)
        made = [a for k, a in worker.calls if k == "demonstrate"]
        for task_id in TASKS:
            starts.setdefault(task_id, []).append([a[2] for a in made if a[0] == task_id])
    for left, right in starts.values():
        both = min(len(left), len(right))
        assert left[:both] == right[:both]


def test_cancel_keeps_what_is_done_and_goes_on_later(tmp_path):
    plan = make_plan()
    whole = play(plan, tmp_path / "whole")
    states = []
    with pytest.raises(Cancelled, match="run it again"):
        play(plan, tmp_path / "stopped", report=states.append, should_stop=lambda: len(states) > 20)
    assert 20 <= len(states) <= 23
    assert play(plan, tmp_path / "stopped") == whole


def test_reports_tell_phase_round_task_and_why(tmp_path):
    states = []
    play(make_plan(num_rounds=1), tmp_path, report=states.append)
    phases = [state.phase for state in states]
    names = ("IDLE", "EVALUATING", "SELECTING", "DEMONSTRATING", "FINE_TUNING", "EVALUATING", "IDLE")
    order = [Phase[name] for name in names]
    assert [p for i, p in enumerate(phases) if i == 0 or phases[i - 1] != p] == order
    shown = [state for state in states if state.phase is Phase.DEMONSTRATING]
    assert (
        shown[0].task_id in TASKS and "nat" in shown[0].detail and shown[1].detail == "success after 50 steps"
    )
    assert "step 1/2, loss 0.5" in [state.detail for state in states if state.phase is Phase.FINE_TUNING]
    assert states[-1].checkpoint.id == "round_001" and states[-1].detail.startswith(
        "done: 1 rounds, success "
    )
    assert states[2].checkpoint.id == "pretrained"


def test_summary_counts_agree_with_the_result(tmp_path):
    result, told, _ = play(make_plan(seed=2, strategy="round_robin"), tmp_path)
    after = told["success_after"]
    assert {key: (v["episodes"], v["successes"]) for key, v in after["tasks"].items()} == result.evaluations
    assert (
        after["episodes"] == 10 and after["successes"] == sum(s for _, s in result.evaluations.values()) > 0
    )
    assert told["success_before"]["successes"] == 0 and told["success_before"]["episodes"] == 10
    with Journal(tmp_path / "session.sqlite", read_only=True) as journal:
        rounds, seconds = history(journal), summary(journal)["seconds"]
    assert [entry["round"] for entry in rounds] == [0, 1, 2, 3]
    assert [entry["checkpoint"] for entry in rounds] == ["pretrained", "round_001", "round_002", "round_003"]
    assert all(len(entry["scores"]) == 5 and entry["loss"] == 0.5 for entry in rounds[1:])
    assert set(seconds) == {"idle", "selecting", "demonstrating", "fine_tuning", "evaluating"}


def test_summary_of_an_unfinished_session(tmp_path):
    with Journal(tmp_path / "session.sqlite") as journal:
        with pytest.raises(DataError, match="no session"):
            summary(journal)
        journal.begin(make_plan())
        told = summary(journal)
        assert told["rounds"] == 0 and told["demonstrations"] == [] and told["success_after"]["episodes"] == 0


def test_an_unknown_strategy_is_refused_before_anything_is_stored(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'amf'"):
        play(make_plan(strategy="amff"), tmp_path)
    with Journal(tmp_path / "session.sqlite") as journal:
        assert journal.plan is None


@pytest.mark.parametrize("answer", [("a",), ("a", "z"), ("a", "b", "c")])
def test_an_impossible_answer_of_a_strategy_is_refused(tmp_path, answer):
    class Strange(CountingWorker):
        def select(self, num_tasks, seed):
            return Selection(answer, (), "strange")

    plan = make_plan(candidates=("a", "b", "c"))
    with pytest.raises(SelectionError, match="it must name 2 of the candidates a, b, c"):
        play(plan, tmp_path, Strange(plan, tmp_path))


def test_a_session_may_go_on_without_a_demonstration_that_keeps_failing(tmp_path):
    plan = make_plan(num_rounds=2, strategy="round_robin", attempts=2, go_on=True)
    worker = CountingWorker(plan, tmp_path, clumsy=2)
    result, told, _ = play(plan, tmp_path, worker)
    assert result.missed == ("a", "b", "a", "b") and result.demonstrations == ()
    assert result.checkpoint.id == "pretrained" and result.rounds_completed == 2
    assert told["missed"] == list(result.missed) and len(told["history"][1]["failed"]) == 4
    seeds = [a[2] for k, a in worker.calls if k == "demonstrate"]
    assert len(set(seeds)) == 8  # asked for again, a task has other starts
    again = CountingWorker(plan, tmp_path, clumsy=2)
    assert play(plan, tmp_path, again)[0] == result and not again.calls


def test_going_on_changes_nothing_where_nothing_fails_for_long(tmp_path):
    plan = make_plan(num_rounds=2, strategy="round_robin", attempts=3)
    for clumsy in (0, 1):
        told = []
        for number, go_on in enumerate((False, True)):
            wanted = replace_plan(plan, go_on=go_on)
            folder = mkdir(tmp_path / f"{clumsy}{number}")
            worker = CountingWorker(wanted, folder, clumsy=clumsy)
            told.append((play(wanted, folder, worker)[0], worker.calls))
        assert told[0] == told[1] and told[0][0].missed == ()


def test_attempts_may_change_when_a_person_is_asked_but_not_when_the_session_goes_on(tmp_path):
    plan = make_plan(num_rounds=1, strategy="round_robin", attempts=2)
    with pytest.raises(DataError, match="'a' failed 2 times"):
        play(plan, tmp_path, CountingWorker(plan, tmp_path, clumsy=5))
    more = replace_plan(plan, attempts=9)
    assert play(more, tmp_path, CountingWorker(more, tmp_path, clumsy=5))[0].demonstrations == ("a", "b")
    goes_on = make_plan(num_rounds=1, strategy="round_robin", attempts=2, go_on=True)
    folder = mkdir(tmp_path / "on")
    play(goes_on, folder, CountingWorker(goes_on, folder))
    with pytest.raises(PlanChanged, match="attempts 2, asked for 3"):
        play(replace_plan(goes_on, attempts=3), folder, CountingWorker(goes_on, folder))
