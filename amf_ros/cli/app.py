"""The commands in the order that ``amf --help`` lists them, and what becomes of their errors."""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

import amf_ros
from amf_ros.cli import EXIT_INTERRUPTED, leave
from amf_ros.cli.options import JSON_ASKED
from amf_ros.core.errors import AmfError

EXIT_ERROR = 1
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Commands(TyperGroup):
    """Ends a command that failed with one line on stderr and the exit code that fits."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises typer.Exit with 1 for an AmfError and 130 for an interrupt."""
        try:
            return super().invoke(ctx)
        except AmfError as error:
            if ctx.meta.get(JSON_ASKED):
                answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
                sys.stdout.write(json.dumps(answer, indent=2) + "\n")
            sys.stderr.write(f"error: {error}\n")
            raise typer.Exit(EXIT_ERROR) from error
        except KeyboardInterrupt as stop:
            sys.stderr.write(f"{str(stop) or 'interrupted'}\n")
            raise typer.Exit(EXIT_INTERRUPTED) from stop


app = typer.Typer(
    name="amf",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Which task should you demonstrate next? amf asks, records, fine-tunes, evaluates, and asks again.

Start with [bold]amf demo[/bold]: the whole loop on a simulated arm, in minutes, with a report at the end.""",
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", is_eager=True, help="Show the version and exit."),
) -> None:
    if version:
        sys.stdout.write(f"amf_ros {amf_ros.__version__}\n")
        raise typer.Exit


def main() -> None:
    """Run the command line; SIGTERM and a closed terminal end it as Ctrl-C does.

    SIGINT works in a background job too, where the shell has it ignored; after nohup SIGHUP stays ignored.
    """
    for number in _STOPS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    # package.module:Object of the folder that one works in; last, so that it hides nothing installed.
    sys.path.append(os.getcwd())
    try:
        app(prog_name="amf")
    except KeyboardInterrupt:  # before or after a command, or again while it was leaving
        sys.stderr.write("interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    finally:
        for number in _STOPS:  # the interpreter is on its way out: nothing there bears an exception
            if signal.getsignal(number) == _interrupt:
                signal.signal(number, leave)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _add_commands() -> None:
    from amf_ros.cli import (
        bench,
        check_suite,
        demo,
        doctor,
        evaluate,
        execute,
        motion,
        next_task,
        pretrain,
        record,
        report,
        session,
        status,
        tune,
        up,
    )

    for module in (
        demo,
        up,
        session,
        pretrain,
        next_task,
        record,
        tune,
        execute,
        evaluate,
        status,
        motion,
        report,
        bench,
        check_suite,
        doctor,
    ):
        module.add(app)


_add_commands()
