"""The gains of `amf next --explain`: readable in a terminal and as a picture, also with many tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from amf_ros.cli import explanation
from amf_ros.cli.output import Output
from amf_ros.core.errors import DataError
from amf_ros.core.values import Array
from amf_ros.report.gain_map import draw
from amf_ros.tasks.tabletop import TabletopSuite

SUITE = [task.id for task in TabletopSuite().tasks]


def shown(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    candidates: list[str],
    targets: list[str],
    gains: Array,
    width: int = 105,
) -> list[str]:
    """What a terminal of that width shows, line by line."""
    monkeypatch.setenv("COLUMNS", str(width))
    explanation.show(Output(), candidates, targets, gains.tolist())
    return capsys.readouterr().out.splitlines()


def drawn(rows: int, columns: int, scale: float = 1.0) -> Array:
    made: Array = np.random.default_rng(0).gamma(0.5, 0.3, size=(rows, columns)) * scale
    return made


def test_sixteen_by_sixteen_fit_105_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(SUITE) == 16
    gains = drawn(16, 16)
    _, head, *rows = shown(capsys, monkeypatch, SUITE, SUITE, gains)
    short = head.split()
    assert len(short) == len(set(short)) == 16 and len(rows) == 16
    for name, code, row, values in zip(SUITE, short, rows, gains, strict=True):
        assert row.split()[:2] == [code, name] and len(row) <= 105
        assert [cell.lstrip("*") for cell in row.split()[2:]] == [explanation.number(v) for v in values]
    assert "\n".join(rows).count("*") == 1
    largest = np.unravel_index(gains.argmax(), gains.shape)
    assert rows[largest[0]].split()[2 + int(largest[1])].startswith("*")


def test_of_many_tasks_the_best_are_shown_and_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"task_{number:04d}" for number in range(300)]
    gains = drawn(300, 300)
    gains[3, 250] = 9.0
    lines = shown(capsys, monkeypatch, names, names, gains, width=250)
    assert lines[-1].startswith("shown: 40 of 300 candidates, the best, and 30 of 300 targets")
    assert "task_0250" in lines[-2] and "*9.0" in lines[5]
    assert len(lines) == 44 and "task_0039" in lines[-3] and all(len(line) <= 250 for line in lines[1:-2])


def test_small_gains_are_told_in_a_smaller_unit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, ["push"], ["push", "lift"], np.array([[0.0042, 0.0001]]))
    assert lines[0].startswith("gain [0.01 nat]") and lines[2].split() == ["p", "push", "*.42", ".01"]
    assert lines[3] == "columns: l lift"


def test_nothing_to_be_gained_marks_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, ["push"], ["push"], np.zeros((1, 1)))
    assert lines[0].startswith("gain [nat]") and lines[2].split() == ["p", "push", "·"]


@pytest.mark.parametrize(
    ("value", "power", "text"),
    [
        (0.0, 0, "·"),
        (0.0049, 0, "·"),
        (0.0051, 0, ".01"),
        (0.994, 0, ".99"),
        (0.996, 0, "1.0"),
        (9.94, 0, "9.9"),
        (9.96, 0, "10"),
        (123.4, 0, "123"),
        (0.00123, 2, ".12"),
        (float("nan"), 0, "–"),
    ],
)
def test_numbers_are_short(value: float, power: int, text: str) -> None:
    assert explanation.number(value, power) == text


@pytest.mark.parametrize(
    ("largest", "power"), [(0.0, 0), (2.0, 0), (0.1, 0), (0.099, 1), (0.01, 1), (3e-5, 4)]
)
def test_the_unit_leaves_two_digits_of_the_largest(largest: float, power: int) -> None:
    assert explanation.scale_power(largest) == power


@pytest.mark.parametrize(
    "names",
    [
        SUITE,
        [f"goal{number}" for number in range(200)],
        ["a", "A", "a_", "_", "__", "ab", "a_b"],
        [f"{verb}_{noun}" for verb in ("push", "place", "press") for noun in ("red", "rod", "ring")],
    ],
)
def test_abbreviations_tell_names_apart(names: list[str]) -> None:
    short = explanation.abbreviations(names)
    assert list(short) == names and len(set(short.values())) == len(names)
    assert all(1 <= len(one) <= 4 for one in short.values())


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (16, 16), (3, 70), (300, 200)])
def test_the_picture_is_whole_whatever_its_size(tmp_path: Path, rows: int, columns: int) -> None:
    path = tmp_path / "made" / "next.png"
    candidates, targets = [f"task_{i}" for i in range(rows)], [f"goal_{i}" for i in range(columns)]
    draw(path, candidates, targets, drawn(rows, columns), "next: task_0")
    pixels = imread(path)
    assert pixels.ndim == 3 and max(pixels.shape) <= 3000
    assert list(path.parent.iterdir()) == [path]
    # Light where little is gained, dark where most is: the colours of the report.
    assert np.ptp(pixels[..., 0]) > 0.5


def test_a_picture_of_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"next\.bmpp.*\.png"):
        draw(tmp_path / "next.bmpp", ["a"], ["a"], np.ones((1, 1)), "")
    assert list(tmp_path.iterdir()) == []
