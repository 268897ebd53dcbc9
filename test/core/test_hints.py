"""Every command that a message, a help text or a page tells people to type can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from amf_ros.cli import up
from amf_ros.cli.app import app
from amf_ros.core.errors import AmfError
from amf_ros.ros.start.graph import ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
COMMANDS: Any = typer.main.get_command(app)
UsageError = typer.BadParameter.__bases__[0]  # typer brings a click of its own
HOLE = "7"  # stands for what a message fills in: a number and a path both take it
_QUOTED = re.compile(r"`(amf [a-z][^`]+)`|'(amf [a-z][^']*)'|\[cyan\](amf [^\[]+)\[")
_OPEN = re.compile(r"\bamf [a-z]+(?: (?:--?[a-z][a-z-]*(?: [\w./]+)?|[a-z_]+:=[\w./]*))+")  # with arguments


def parsed(line: str) -> None:
    """Let the command line's own parser read a line. Raises UsageError or an error of ours."""
    words = shlex.split(line.removesuffix(" ..."), comments=True)
    name, *rest = words[1:]
    if rest and rest[-1].startswith("--") and not _is_flag(name, rest[-1]):
        rest.append(HOLE)  # the option is only mentioned
    command = COMMANDS.get_command(typer.Context(COMMANDS), name)
    if command is None:
        raise UsageError(f"amf has no command {name!r}")
    try:
        context = command.make_context(name, list(rest))
    except UsageError as error:
        if rest or type(error).__name__ != "MissingParameter":
            raise
        return  # the command is only mentioned
    if name == "up":
        defaults = {f"{one.name}:={HOLE}": f"{one.name}:={one.default}" for one in ARGUMENTS}
        up.parse([defaults.get(word, word) for word in context.params["arguments"] or []])


def _is_flag(name: str, option: str) -> bool:
    command = COMMANDS.get_command(typer.Context(COMMANDS), name)
    named = [one for one in getattr(command, "params", ()) if option in (*one.opts, *one.secondary_opts)]
    return not named or getattr(named[0], "is_flag", False)


def test_the_parser_is_the_real_one() -> None:
    parsed("amf record open_door --count 3")
    for wrong in (
        "amf up --session-directory runs/lab",
        "amf tune --rounds 3",
        "amf start",
        "amf record -n 2",
    ):
        with pytest.raises((UsageError, AmfError)):
            parsed(wrong)


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module, as a message would show it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(p.value if isinstance(p, ast.Constant) else HOLE for p in node.values),  # type: ignore[misc]
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def commands_in(text: str) -> Iterator[str]:
    """What of a text is meant to be typed: whole where it is quoted, else as far as it reads like one."""
    for match in _QUOTED.finditer(text):
        yield next(group for group in match.groups() if group)
    for match in _OPEN.finditer(_QUOTED.sub(" ", text)):
        yield match[0].rstrip(".")


def hints() -> Iterator[tuple[str, str]]:
    """(where, line) of everything that the package says."""
    for path in sorted((ROOT / "amf_ros").rglob("*.py")):
        for number, text in strings(path):
            for line in commands_in(text):
                yield f"{path.relative_to(ROOT)}:{number}", line


def documented() -> Iterator[tuple[str, str]]:
    """(where, line) of what the pages say, in blocks of commands and between backticks."""
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = (
                [text]
                if text.startswith("amf ")
                else [m[1] for m in re.finditer(r"`(amf [a-z][^`]*)`", text)]
            )
            for line in found:
                yield f"{path.relative_to(ROOT)}:{number}", line


def misleading(told: list[tuple[str, str]]) -> list[str]:
    """Those that the parser does not take, with its reason."""
    wrong = []
    for where, line in told:
        try:
            parsed(line)
        except (UsageError, AmfError) as error:
            wrong.append(f"{where}: {line!r}: {getattr(error, 'message', error)}")
    return wrong


def test_every_hint_is_a_command_that_exists() -> None:
    told = list(hints())
    assert len(told) > 40  # they were found at all
    assert not misleading(told), "\n".join(misleading(told))


def test_every_documented_command_is_one_that_exists() -> None:
    told = list(documented())
    assert len(told) > 12
    assert not misleading(told), "\n".join(misleading(told))


def test_what_pretrain_recommends_uses_the_directory_it_wrote_to(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    folder, config = tmp_path / "my lab", tmp_path / "small.yaml"
    config.write_text("demonstrations: {push_green: 1}\ntraining: {pretrain_steps: 2, hidden: [8]}\n")
    done = CliRunner().invoke(app, ["pretrain", str(config), "-d", str(folder)])
    assert done.exit_code == 0, done.output
    line = done.stdout.splitlines()[-1].removeprefix("next: ")
    assert up.parse(shlex.split(line)[2:]) == {"session_directory": str(folder)}
