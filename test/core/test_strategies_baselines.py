"""The baselines that look at counts, losses, outcomes and variances: what each of them chooses, and why."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amf_ros.core.config import SelectionConfig
from amf_ros.core.errors import NoEmbeddings, SelectionError
from amf_ros.core.plugins import load
from amf_ros.selection.base import Problem, TaskRecord
from amf_ros.selection.problem_checks import target_weights
from amf_ros.selection.success_rates import success_rate

IDS = ("lift", "push", "stack", "open")
NAN = float("nan")
NOISE = 0.1


def make_problem(num_tasks=1, targets=None, seed=0, **columns):
    """Four tasks; each column of a record is given as four values, in their order."""
    rng = np.random.default_rng(1)
    records = tuple(
        TaskRecord(
            key,
            rng.normal(size=(3, 5)).astype(np.float32),
            **{name: values[row] for name, values in columns.items()},
        )
        for row, key in enumerate(IDS)
    )
    targets = target_weights(IDS, *(targets or ()))
    return Problem(records, IDS, targets, np.zeros((0, 5), np.float32), num_tasks=num_tasks, seed=seed)


def select(name, problem, **config):
    return load("strategy", name)(SelectionConfig(noise_variance=NOISE, **config)).select(problem)


def scores(selection):
    return {score.task_id: score.score for score in selection.scores}


# least_demonstrated


def test_least_demonstrated_fills_up_the_fewest_first():
    problem = make_problem(num_demonstrations=(2, 0, 1, 2), num_tasks=4)
    chosen = select("least_demonstrated", problem).task_ids
    assert chosen[0] == "push" and set(chosen[1:3]) == {"push", "stack"}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=4, max_size=4), st.integers(0, 99))
def test_least_demonstrated_gives_seats_as_sainte_lague_does(weights, seed):
    problem = make_problem(targets=(IDS, tuple(map(float, weights))), num_tasks=60, seed=seed)
    counts = Counter(select("least_demonstrated", problem).task_ids)
    # Nobody's last demonstration was worth less than anybody's next one: the method's min-max inequality.
    last = [problem.targets[key] / (counts[key] - 0.5) for key in IDS if counts[key]]
    following = [problem.targets[key] / (counts[key] + 0.5) for key in IDS]
    assert min(last) >= max(following) * (1 - 1e-9)


def test_least_demonstrated_leaves_candidates_alone_that_are_no_target_unless_none_is():
    problem = make_problem(num_tasks=6, targets=(("push", "open"), (1.0, 1.0)))
    assert Counter(select("least_demonstrated", problem).task_ids) == {"push": 3, "open": 3}
    others = replace(problem, candidates=("lift", "stack"))
    assert Counter(select("least_demonstrated", others).task_ids) == {"lift": 3, "stack": 3}


def test_the_seed_and_not_the_suites_order_decides_between_equals():
    firsts = {select("least_demonstrated", make_problem(seed=seed)).task_ids[0] for seed in range(40)}
    assert firsts == set(IDS)


# largest_loss


def test_largest_loss_takes_what_was_never_demonstrated_first():
    problem = make_problem(num_demonstrations=(1, 0, 3, 2), loss=(0.2, NAN, 0.5, 0.4), num_tasks=2)
    answer = select("largest_loss", problem)
    assert answer.task_ids[0] == "push" and scores(answer)["push"] == pytest.approx(1.0)
    assert answer.reason == "push: never demonstrated, so its loss is unknown"
    assert [score.task_id for score in answer.scores] == ["push", "stack", "open", "lift"]


def test_a_batch_of_largest_loss_divides_the_claim_of_what_is_planned():
    problem = make_problem(num_demonstrations=(1, 1, 1, 1), loss=(0.2, 0.9, 0.5, 0.1), num_tasks=4)
    # 0.9, 0.5, 0.45, 0.3 (push a third time), against 0.25 (stack a second time) and 0.2 (lift).
    assert select("largest_loss", problem).task_ids == ("push", "stack", "push", "push")


@pytest.mark.parametrize("loss", [NAN, -0.1, float("inf")])
def test_largest_loss_says_which_losses_it_misses(loss):
    problem = make_problem(num_demonstrations=(1, 0, 1, 0), loss=(0.2, NAN, loss, NAN))
    with pytest.raises(SelectionError, match="largest_loss needs.*stack.*TaskRecord.loss"):
        select("largest_loss", problem)
    select("largest_loss", replace(problem, candidates=("lift", "push")))  # others' losses play no part


def test_losses_of_zero_leave_the_choice_to_the_seed():
    problem = make_problem(num_demonstrations=(1, 1, 1, 1), loss=(0.0,) * 4)
    firsts = {select("largest_loss", replace(problem, seed=seed)).task_ids[0] for seed in range(40)}
    assert firsts == set(IDS)


# lowest_success


def test_lowest_success_is_the_posterior_mean_under_a_uniform_prior():
    problem = make_problem(num_episodes=(4, 4, 0, 2), num_successes=(4, 1, 0, 0))
    found = scores(select("lowest_success", problem))
    assert found == pytest.approx({"lift": -5 / 6, "push": -2 / 6, "stack": -1 / 2, "open": -1 / 4})
    assert select("lowest_success", problem).task_ids == ("open",)


def test_a_batch_of_lowest_success_counts_each_choice_as_a_success_to_come():
    problem = make_problem(num_episodes=(4,) * 4, num_successes=(4, 0, 2, 4), num_tasks=5)
    # push: 1/6, 2/7, 3/8, 4/9, 1/2; stack: 3/6 (a tie), 4/7.
    chosen = select("lowest_success", problem).task_ids
    assert chosen[:4] == ("push",) * 4 and chosen[4] in {"push", "stack"}


def test_where_the_current_policy_was_not_run_the_audit_and_what_came_since_decide():
    audited = TaskRecord("a", np.zeros((0, 2), np.float32), 3, num_audited=4, num_audit_successes=1)
    assert success_rate(audited) == (1 + 1 + 3) / (4 + 2 + 3)
    assert success_rate(audited, planned=2) == (1 + 1 + 5) / (4 + 2 + 5)
    executed = replace(audited, num_episodes=2, num_successes=2)
    assert success_rate(executed) == 3 / 4 and success_rate(executed, planned=1) == 4 / 5


def test_lowest_success_without_any_rollout_is_fewest_first():
    problem = make_problem(num_demonstrations=(2, 1, 0, 2), num_tasks=3)
    chosen = select("lowest_success", problem).task_ids
    assert chosen[0] == "stack" and set(chosen[1:]) == {"stack", "push"}


@pytest.mark.parametrize(
    "columns",
    [
        {"num_episodes": (1, 1, 1, 1), "num_successes": (0, 2, 0, 0)},
        {"num_audited": (0, -1, 0, 0), "num_audit_successes": (0, -1, 0, 0)},
        {"num_demonstrations": (0, -1, 0, 0)},
    ],
)
@pytest.mark.parametrize("name", ["lowest_success", "audit_then_count", "amf_outcomes"])
def test_counts_that_contradict_each_other_are_refused(name, columns):
    columns = {"num_audited": (1,) * 4, "num_audit_successes": (0,) * 4, **columns}
    with pytest.raises(SelectionError, match="'push'"):
        select(name, make_problem(**columns))


# audit_then_count


def test_audit_then_count_takes_what_failed_in_turn():
    problem = make_problem(
        num_audited=(4, 4, 4, 4),
        num_audit_successes=(4, 1, 0, 2),
        num_demonstrations=(0, 1, 0, 0),
        num_tasks=5,
    )
    answer = select("audit_then_count", problem)
    assert answer.task_ids[0] == "stack" and Counter(answer.task_ids) in (
        {"stack": 3, "push": 2},
        {"push": 2, "stack": 3},
    )
    assert [score.task_id for score in answer.scores[:2]] == ["stack", "push"]
    assert answer.reason == "stack: failed the audit with 0/4; 0 demonstrations"


def test_half_the_audit_is_enough_to_pass():
    problem = make_problem(num_audited=(4, 4, 4, 3), num_audit_successes=(2, 2, 2, 1), num_tasks=3)
    assert set(select("audit_then_count", problem).task_ids) == {"open"}


def test_audit_then_count_goes_fewest_first_over_all_where_nothing_failed():
    problem = make_problem(
        num_audited=(2,) * 4, num_audit_successes=(2, 1, 2, 2), num_demonstrations=(1, 2, 0, 1), num_tasks=2
    )
    chosen = select("audit_then_count", problem).task_ids
    assert chosen[0] == "stack" and chosen[1] in {"stack", "lift", "open"}


def test_a_task_that_was_never_audited_counts_as_failed():
    problem = make_problem(num_audited=(4, 4, 0, 4), num_audit_successes=(4, 4, 0, 4), num_tasks=3)
    answer = select("audit_then_count", problem)
    assert set(answer.task_ids) == {"stack"} and "never audited" in answer.reason


def test_what_happens_after_the_audit_does_not_matter_to_it():
    problem = make_problem(num_audited=(4,) * 4, num_audit_successes=(4, 0, 4, 4))
    later = make_problem(
        num_audited=(4,) * 4,
        num_audit_successes=(4, 0, 4, 4),
        num_episodes=(8,) * 4,
        num_successes=(0, 8, 0, 0),
    )
    assert select("audit_then_count", problem).task_ids == select("audit_then_count", later).task_ids


# uncertainty


def naive_variances(problem, extra=()):
    """Mean posterior variance of each candidate's states by kernel matrices, in float64."""
    states = {
        task.id: task.states.astype(np.float64) for task in problem.tasks if task.id in problem.candidates
    }
    weights = {
        task.id: np.ones(len(task.states)) if task.weights is None else task.weights.astype(np.float64)
        for task in problem.tasks
    }
    mass = {key: value / value.sum() for key, value in weights.items()}
    norm = np.mean([mass[key] @ np.square(rows).sum(axis=1) for key, rows in states.items()])
    norm = 2 ** (np.round(8 * np.log2(norm)) / 8)
    known = [problem.demonstrated.astype(np.float64)]
    if problem.anchors is not None:
        known.append(problem.anchors.astype(np.float64))
    if problem.coverage is not None:
        values, vectors = np.linalg.eigh(problem.coverage.astype(np.float64))
        known.append(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)
    known += [states[key] * np.sqrt(10 * mass[key])[:, None] for key in extra]
    data = np.concatenate(known) / np.sqrt(norm)
    found = {}
    for key, rows in states.items():
        x = rows / np.sqrt(norm)
        solved = np.linalg.solve(data @ data.T + NOISE * np.eye(len(data)), data @ x.T)
        found[key] = mass[key] @ (np.square(x).sum(axis=1) - np.einsum("nt,tn->n", x @ data.T, solved))
    return found


def uncertain_problem(seed, batch=1):
    rng = np.random.default_rng(seed)
    problem = make_problem(num_tasks=batch, seed=seed)
    tasks = tuple(
        replace(
            task,
            states=rng.normal(size=(n, 5)).astype(np.float32),
            weights=rng.uniform(0.1, 2, size=n).astype(np.float32) if n % 2 else None,
        )
        for task, n in zip(problem.tasks, rng.integers(1, 7, size=4))
    )
    covered = rng.normal(size=(2, 5))
    return replace(
        problem,
        tasks=tasks,
        candidates=IDS[: rng.integers(2, 5)],
        demonstrated=rng.normal(size=(3, 5)).astype(np.float32),
        anchors=rng.normal(size=(1, 5)).astype(np.float32),
        coverage=(covered.T @ covered).astype(np.float32),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_uncertainty_is_the_mean_posterior_variance_by_kernel_matrices(seed):
    problem = uncertain_problem(seed)
    expected = naive_variances(problem)
    answer = select("uncertainty", problem)
    assert scores(answer) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert answer.task_ids == (max(expected, key=expected.__getitem__),)
    assert all(score.posterior_std**2 <= score.score * (1 + 1e-9) for score in answer.scores)  # Jensen


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_batch_of_uncertainty_conditions_on_each_choice(seed):
    problem = uncertain_problem(seed, batch=4)
    expected = []
    for _ in range(4):
        found = naive_variances(problem, expected)
        expected.append(max(found, key=found.__getitem__))
    assert select("uncertainty", problem).task_ids == tuple(expected)


def test_uncertainty_leaves_coverage_out_where_the_configuration_says_so():
    problem = uncertain_problem(3)
    without = select("uncertainty", problem, coverage=False)
    assert scores(without) == pytest.approx(naive_variances(replace(problem, coverage=None)), rel=1e-4)
    assert without.scores != select("uncertainty", problem).scores


def test_uncertainty_needs_states_of_candidates_only_and_features_that_are_not_zero():
    problem = make_problem()
    empty = replace(problem.tasks[0], states=np.zeros((0, 5), np.float32))
    problem = replace(problem, tasks=(empty, *problem.tasks[1:]))
    with pytest.raises(NoEmbeddings, match="lift.*execute"):
        select("uncertainty", problem)
    assert select("uncertainty", replace(problem, candidates=IDS[1:])).task_ids[0] in IDS[1:]
    zero = tuple(replace(task, states=np.zeros((2, 5), np.float32)) for task in problem.tasks)
    with pytest.raises(SelectionError, match="embed"):
        select("uncertainty", replace(problem, tasks=zero))
