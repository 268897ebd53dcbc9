"""Tables, pictures and the shared options of benchmark scripts, from made-up runs."""

from __future__ import annotations

import json
import signal
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from amf_ros.core.errors import ConfigError, DataError, UnknownName
from amf_ros.core.plugins import BUILT_IN
from amf_ros.sweep.plots import colours_of, plot_curves
from amf_ros.sweep.publish import publish, show_all
from amf_ros.sweep.script import finish, guarded, how, options, parse
from amf_ros.sweep.statistics import Curves, collect
from amf_ros.sweep.tables import markdown

ROWS: list[dict[str, Any]] = [
    {
        "job": {"strategy": name, "seed": seed},
        "result": {"demonstrations": [0, 4, 8], "success": [0.1, 0.2 + gain, 0.3 + gain + 0.01 * seed]},
        "seconds": 2.0,
    }
    for name, gain in (("amf", 0.4), ("uniform", 0.0))
    for seed in range(4)
]


def size_of(png: Path) -> tuple[int, int]:
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_publishing_writes_numbers_text_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panels = {"mismatched": collect(ROWS), "matched": collect(ROWS)}
    found = publish(tmp_path, "demo", panels, reference="uniform", rows=ROWS, num_jobs=9)
    document = json.loads((tmp_path / "demo.json").read_text())
    assert document == found.document
    assert (document["done"], document["jobs"], document["job_seconds"]) == (8, 9, 16.0)
    amf = document["settings"]["matched"]["amf"]
    assert amf["difference"]["estimate"]["value"] == pytest.approx(0.3)
    assert amf["x"] == [0, 4, 8] and amf["mean"] == pytest.approx([0.1, 0.6, 0.715])
    text = (tmp_path / "demo.md").read_text()
    assert "8 of 9 runs" in text and "### mismatched" in text and "| amf | 4 |" in text
    assert size_of(tmp_path / "demo.png")[0] > size_of(tmp_path / "demo_difference.png")[1] > 100
    show_all(found)
    shown = capsys.readouterr().out
    assert shown.count("amf") >= 2 and "+0.30 [+0.30, +0.30]" in shown


def test_a_curve_is_drawn_where_its_values_are(tmp_path: Path) -> None:
    flat = Curves(np.array([0.0, 4.0]), (0, 1), np.array([[0.2, 0.2], [0.2, 0.2]]))
    steep = Curves(np.array([0.0, 4.0]), (0, 1), np.array([[0.2, 0.9], [0.2, 0.9]]))
    first = plot_curves(tmp_path / "a.png", {"x": {"amf": flat}}, "demonstrations", "success").read_bytes()
    again = plot_curves(tmp_path / "b.png", {"x": {"amf": flat}}, "demonstrations", "success").read_bytes()
    other = plot_curves(tmp_path / "c.png", {"x": {"amf": steep}}, "demonstrations", "success").read_bytes()
    assert first == again != other


def test_a_strategy_has_one_colour_wherever_it_stands() -> None:
    names = ["uniform", "amf", "rebalancing", "round_robin"]
    assert colours_of(names) == colours_of(names[::-1])
    assert len(set(colours_of(names).values())) == 4
    assert list(colours_of(names)) == names


def test_a_cell_cannot_break_a_markdown_table() -> None:
    assert markdown(["a", "b"], [["x|y", "1"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_options_say_what_to_do(tmp_path: Path) -> None:
    words = ["--seeds", "3", "--first-seed", "2", "--workers", "2", "--ray", "auto", "--fresh", "--no-plot"]
    args = parse(options("doc", ("amf", "uniform"), 10), [*words, "--out", str(tmp_path)])
    assert how(args) == {"workers": 2, "ray_address": "auto", "progress": True, "fresh": True}
    assert (args.seeds, args.first_seed, args.plot, args.quick, args.out) == (3, 2, False, False, tmp_path)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["--seeds", "0"], ConfigError, "--seeds is 0"),
        (["--first-seed", "-1"], ConfigError, "--first-seed -1"),
        (["--reference", "unifrom"], UnknownName, "did you mean 'uniform'"),
        (["--strategies", "amf"], UnknownName, "unknown reference 'uniform'"),
    ],
)
def test_options_that_cannot_be_are_refused(words: list[str], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        parse(options("doc", ("amf", "uniform"), 10), words)


def test_json_is_alone_on_stdout_and_a_failed_job_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parse(options("", ("amf", "uniform"), 4), ["--json", "--no-plot", "--out", str(tmp_path)])
    jobs = [row["job"] for row in ROWS]
    panels = {"all": collect(ROWS)}
    assert finish(args, "demo", ROWS, jobs, panels) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "demo"
    assert finish(args, "demo", ROWS, [*jobs, {"seed": 9}], panels) == 1
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(DataError("all failed"), 1, "error: all failed\n"), (KeyboardInterrupt(), 130, "stopped; the same")],
)
def test_a_script_ends_with_one_line(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], restored_signals: None
) -> None:
    def main() -> int:
        raise error

    assert guarded(main) == code
    assert capsys.readouterr().err.startswith(said)


@pytest.fixture
def restored_signals() -> Any:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/kinematic.py", "--seeds", "4"])
    found = publish(
        tmp_path, "demo", {"all": collect(ROWS)}, reference="amf", rows=ROWS, num_jobs=8, plot=False
    )
    assert found.document["command"] == "kinematic.py --seeds 4"


def sessions(tmp_path: Path) -> Any:
    """Published rows of two strategies' sessions in one setting."""
    rows: list[dict[str, Any]] = [
        {
            "job": {"strategy": name, "seed": seed, "setting": {"name": "arm"}},
            "result": {
                "demonstrations": [0, 2, 4],
                "success": [0.25, 0.5, 0.75],
                "tasks": {"left": [0.0, 0.5, seed], "right": [0.5, 0.5, 0.5]},
                "chosen": ["left"] * 3 if name == "amf" else ["left", "right"],
                "missed": ["right"] if name == "amf" else [],
                "failed": 7 if name == "amf" else 0,
            },
            "seconds": 1.0,
        }
        for name in ("amf", "uniform")
        for seed in range(2)
    ]
    return publish(
        tmp_path, "demo", {"arm": collect(rows)}, reference="uniform", rows=rows, num_jobs=4, plot=False
    )


def test_tables_have_the_points_between_and_what_each_task_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sessions(tmp_path)
    text = (tmp_path / "demo.md").read_text()
    assert "| strategy | 0 | 2 | 4 |" in text and "| amf | 0.25 | 0.50 | 0.75 |" in text
    assert "| task | amf | uniform |" in text
    assert "| left | 0.00 → 0.50 (3) | 0.00 → 0.50 (1) |" in text
    assert "| right | 0.50 → 0.50 (0) | 0.50 → 0.50 (1) |" in text
    assert "amf 14 attempts failed, 2 demonstrations left out" in text and "uniform 0" not in text
    amf = found.document["settings"]["arm"]["amf"]
    assert amf["tasks"]["left"] == {"success": [0.0, 0.5, 0.5], "demonstrated": 3.0}
    assert (amf["missed"], amf["failed"]) == (2, 14)
    show_all(found)
    shown = capsys.readouterr().out
    assert (
        "0.00 → 0.50 (3)" in shown and "14 attempts failed" in shown and "mean after demonstrations" in shown
    )


def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, panels: Any) -> Figure:
    """The picture that was written, as matplotlib has it."""
    figures: list[Figure] = []

    def keep(self: Figure, *words: Any, **how: Any) -> None:
        figures.append(self)
        made(self, *words, **how)

    made = Figure.__init__
    monkeypatch.setattr(Figure, "__init__", keep)
    plot_curves(tmp_path / "a.png", panels, "demonstrations", "success")
    (figure,) = figures
    return figure


NAMES = ("amf", "uniform", "audit_then_count", "least_demonstrated", "my_lab.strategies:HardestFirst")


def flat(places: Any) -> Curves:
    return Curves(np.array(places, dtype=float), (0, 1), np.full((2, len(places)), 0.5))


def test_a_legend_of_any_names_lies_within_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(monkeypatch, tmp_path, {"arm": {name: flat([0, 3, 6]) for name in NAMES}})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(NAMES)
    box, paper = legend.get_window_extent(), figure.bbox
    assert box.x0 >= 0 and box.x1 <= paper.x1 and box.y0 >= 0
    assert box.y1 < figure.axes[0].get_window_extent().y0


@pytest.mark.parametrize(
    ("places", "ticks"),
    [
        ([0, 3, 6, 9, 12], [0, 3, 6, 9, 12]),
        (range(0, 42, 2), [0, 8, 16, 24, 32, 40]),
        (range(24), [3, 7, 11, 15, 19, 23]),
        ([0], [0]),
    ],
)
def test_ticks_are_at_evaluations(
    places: Any, ticks: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (axes,) = drawn(monkeypatch, tmp_path, {"arm": {"amf": flat(list(places))}}).axes
    assert axes.get_xticks().tolist() == ticks


def test_a_colour_stays_with_its_strategy_whatever_else_is_shown() -> None:
    every = colours_of(list(BUILT_IN["strategy"]))
    assert len(set(every.values())) == len(every) == 14
    assert colours_of(NAMES) == {name: colours_of([name])[name] for name in NAMES}
    assert colours_of(["a:B"]) != colours_of(["a:C"])
