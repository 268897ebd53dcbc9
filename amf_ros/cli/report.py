"""``amf report``: the page that shows what a session chose, why, and whether it helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amf_ros.cli.options import DEFAULT_DIRECTORY, Contract, Json, SessionDirectory, Suite, panel
from amf_ros.cli.output import Output, short
from amf_ros.core.defaults import CONTRACT


def add(app: typer.Typer) -> None:
    """Put the command on ``amf``."""
    app.command(**panel("Look and mend", "amf report", "amf report -d runs/mine --out mine.html --no-film"))(
        report
    )


def report(
    session_directory: SessionDirectory = DEFAULT_DIRECTORY,
    out: Annotated[
        Path | None, typer.Option(help="File to write; none: report.html in the session directory.")
    ] = None,
    film: Annotated[bool, typer.Option(help="Film one episode before and after, in simulation.")] = True,
    suite: Suite = "",
    contract: Contract = CONTRACT,
    as_json: Json = False,
) -> None:
    """Write the report of a session, finished or not, as one HTML file; its path is the last line.

    --suite is needed where the session's suite is one of your own: its name in the journal is not enough to
    import it.
    """
    from amf_ros.cli.demo_files import demo_seconds
    from amf_ros.core.errors import DataError
    from amf_ros.core.paths import home_expanded
    from amf_ros.report.film import replay
    from amf_ros.report.gather import gather
    from amf_ros.report.page import write_page

    output = Output(as_json)
    if not session_directory.is_dir():
        raise DataError(f"no session directory {session_directory}; name another with --session-directory")
    allowed = (suite,) if suite else ()
    facts = gather(session_directory, demo_seconds(session_directory), allow=allowed)
    with output.working("filming one episode before and after"):
        shown = replay(session_directory, contract, allowed) if film else None
    path = home_expanded(out or session_directory / "report.html").resolve()
    write_page(facts, path, shown)
    output.answer({"report": str(path)}, lambda: output.say(short(path)))
