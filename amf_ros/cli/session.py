"""``amf session``: select, demonstrate, fine-tune, evaluate, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amf_ros.cli.before import tell_before
from amf_ros.cli.graph import connect
from amf_ros.cli.options import (
    DEFAULT_DIRECTORY,
    MOST,
    Contract,
    Json,
    Namespace,
    Seed,
    SessionDirectory,
    Suite,
    Timeout,
    panel,
)
from amf_ros.cli.output import Output, fraction, interval
from amf_ros.cli.session_view import SessionView, from_message
from amf_ros.core.defaults import CONTRACT, STRATEGY, SUITE

if TYPE_CHECKING:
    from amf_ros.session.plan import Plan

_LOCAL_ATTEMPTS = 10  # at one demonstration: a scripted expert may fail now and then, a start costs nothing
_SILENCE_S = 30.0  # the session node reports every step; it may have died and come back


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(
        **panel(
            "The whole loop",
            "amf session --rounds 4 --per-round 3 --final-episodes 5",
            "amf session --local --session-directory runs/mine --strategy uniform",
        )
    )(session)


def session(
    strategy: Annotated[
        str, typer.Option(help="How to choose: amf, uniform, ...; empty: the selector's own, --local: amf.")
    ] = "",
    rounds: Annotated[
        int, typer.Option(min=1, max=MOST, help="Rounds in all; a larger number extends a session.")
    ] = 4,
    per_round: Annotated[
        int, typer.Option(min=1, max=MOST, help="Demonstrations a round, chosen together.")
    ] = 3,
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", "-c", help="May be demonstrated; repeat it. None: all.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="To become good at; repeat it. None: all.")
    ] = None,
    evaluation_episodes: Annotated[
        int, typer.Option(min=0, max=MOST, help="Per task before, and after each round.")
    ] = 0,
    final_episodes: Annotated[
        int, typer.Option(min=0, max=MOST, help="Per task before and after; 0: as in between.")
    ] = 0,
    steps: Annotated[
        int, typer.Option(min=0, max=MOST, help="Gradient steps a round; 0: the trainer's default.")
    ] = 0,
    attempts: Annotated[
        int, typer.Option(min=0, max=MOST, help="At a demonstration; 0: 3, with --local 10.")
    ] = 0,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Where all attempts failed go on without that demonstration.")
    ] = False,
    stop_early: Annotated[
        bool, typer.Option("--stop-early", help="End when the best gain falls below selection.stop_below.")
    ] = False,
    seed: Seed = 0,
    local: Annotated[
        bool, typer.Option("--local", help="In this process, without ROS, in simulation.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --local: where to start; none: the directory's 'pretrained'.")
    ] = None,
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    suite: Suite = SUITE,
    contract: Contract = CONTRACT,
    namespace: Namespace = "",
    wait: Timeout = 10.0,
    as_json: Json = False,
) -> None:
    """Run the loop: choose tasks, record demonstrations, fine-tune, evaluate, again.

    Every step is journalled: after Ctrl-C, a crash or a power cut the same command continues where it
    was. Runs in the graph's own session directory (see amf up); --local uses --session-directory, --suite
    and --contract.
    """
    from amf_ros.session.plan import MAX_ATTEMPTS, Plan

    output = Output(as_json)
    plan = Plan(
        suite=suite,
        candidates=tuple(candidate or ()),
        targets=tuple(target or ()),
        strategy=strategy or (STRATEGY if local else ""),
        num_rounds=rounds,
        demonstrations_per_round=per_round,
        evaluation_episodes=evaluation_episodes,
        final_episodes=final_episodes,
        fine_tune_steps=steps,
        stop_early=stop_early,
        seed=seed,
        attempts=attempts or (_LOCAL_ATTEMPTS if local else MAX_ATTEMPTS),
        go_on=go_on,
    )
    try:
        if local:
            answer = _local(output, plan, session_directory, checkpoint, contract)
        else:
            answer = over_graph(output, plan, namespace, wait)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues the session") from None
    output.answer(answer, lambda: _show(output, answer))


def over_graph(output: Output, plan: Plan, namespace: str, wait_s: float) -> dict[str, Any]:
    """Run the session action of the graph; its result as plain values."""
    with connect(namespace, wait_s) as graph:
        from amf_msgs.action import RunSession
        from amf_ros.ros import names
        from amf_ros.ros.client.goal import SendAgain

        goal = RunSession.Goal(
            candidate_ids=list(plan.candidates),
            target_ids=list(plan.targets),
            strategy=plan.strategy,
            num_rounds=plan.num_rounds,
            demonstrations_per_round=plan.demonstrations_per_round,
            evaluation_episodes=plan.evaluation_episodes,
            final_episodes=plan.final_episodes,
            fine_tune_steps=plan.fine_tune_steps,
            attempts=plan.attempts,
            go_on=plan.go_on,
            stop_early=plan.stop_early,
            seed=plan.seed,
        )
        view = SessionView(output)
        try:
            result = graph.act(
                RunSession,
                names.RUN_SESSION,
                goal,
                lambda message: view(from_message(message.state)),
                again=SendAgain(_SILENCE_S, RunSession.Result.BUSY),
            )
        finally:
            view.close()
    return {
        "rounds": result.rounds_completed,
        "stopped_early": result.stopped_early,
        "missed": list(result.missed_ids),
        "checkpoint": result.checkpoint.uri,
        "success": {one.task_id: (one.num_successes, one.num_episodes) for one in result.evaluations},
    }


def _local(
    output: Output, plan: Plan, directory: Path, checkpoint: Path | None, contract: str
) -> dict[str, Any]:
    from amf_ros.learning.checkpoints import describe
    from amf_ros.session.local import run_local

    start = checkpoint or directory / "checkpoints" / "pretrained"
    if not (directory / "session.sqlite").exists():
        describe(start)  # before anything is made
    tell_before(output, plan, directory, contract)
    view = SessionView(output)
    try:
        result = run_local(plan, start, directory, contract, report=view)
    finally:
        view.close()
    return {
        "rounds": result.rounds_completed,
        "stopped_early": result.stopped_early,
        "missed": list(result.missed),
        "checkpoint": result.checkpoint.uri,
        "success": {name: (done, tried) for name, (tried, done) in result.evaluations.items()},
    }


def _show(output: Output, answer: dict[str, Any]) -> None:
    success = answer["success"]
    if success:
        show_success(output, success)
    if answer["missed"]:
        from amf_ros.core.errors import listed

        output.say(f"demonstrations that failed in all attempts: {listed(answer['missed'])}", "yellow")
    why = ", another demonstration is not expected to be worth it" if answer["stopped_early"] else ""
    output.say(f"{answer['rounds']} rounds done{why}; the policy is {answer['checkpoint']}")


def show_success(output: Output, success: dict[str, tuple[int, int]]) -> None:
    """Print a table of success per task with intervals."""
    rows = [(name, fraction(*counts), interval(*counts)) for name, counts in success.items()]
    done, tried = (sum(column) for column in zip(*success.values(), strict=True))
    output.table(
        "", ("task", ">success", ">95% interval"), rows, ("all", fraction(done, tried), interval(done, tried))
    )
