"""Audit, then count: run the first policy, then demonstrate what failed, in turn.

    selection = AuditThenCount().select(problem)

    F = {c : s(c) / n(c) < 1/2},    c_n = argmin_{c in F} n_D(c), over all c where F is empty

with s successes in n audit episodes of the policy that the session started from and n_D demonstrations
collected. What a sensible operator does without any model, and the rule to beat: with tasks that teach each
other nothing it is hard to do better (method.md, "Simple counting is strong"). A task that was never
audited counts as failed. The score is 1 / (1 + n_D), plus 1 for a task in F. c are the candidates that are
targets: nobody audits, or demonstrates, what was not asked for.
"""

from __future__ import annotations

from amf_ros.core.config import SelectionConfig
from amf_ros.selection.base import Problem, Selection, TaskRecord
from amf_ros.selection.counting import counted, select_largest, wanted_candidates
from amf_ros.selection.problem_checks import check
from amf_ros.selection.success_rates import check_counts

PASS_RATE = 0.5  # of the audit episodes must succeed, else the task failed


class AuditThenCount:
    """Chooses among tasks that failed the audit, fewest demonstrations first; among all where none failed."""

    name = "audit_then_count"
    needs_states = False
    audit_episodes = 4

    def __init__(self, config: SelectionConfig | None = None) -> None:
        """``config`` is accepted as every strategy accepts it; nothing in it matters here."""

    def select(self, problem: Problem) -> Selection:
        """Choose. Raises SelectionError where the problem has no answer, or counts contradict each other."""
        check(problem)
        wanted = set(wanted_candidates(problem))
        for task in problem.tasks:
            if task.id in wanted:
                check_counts(task)
        return select_largest(
            problem,
            self.name,
            value=lambda task, planned: _failed(task) + 1 / (1 + task.num_demonstrations + planned),
            reason=lambda task: f"{_verdict(task)}; {counted(task.num_demonstrations, 'demonstration')}",
        )


def _failed(task: TaskRecord) -> bool:
    return task.num_audit_successes < PASS_RATE * task.num_audited or not task.num_audited


def _verdict(task: TaskRecord) -> str:
    if not task.num_audited:
        return "never audited"
    ended = "failed" if _failed(task) else "passed"
    return f"{ended} the audit with {task.num_audit_successes}/{task.num_audited}"
