"""What error messages show of values that came from outside."""

import os

import pytest

from amf_ros.core.errors import BadId, BadRequest, DataError, UnknownName, listed, shown
from amf_ros.store.files import check_id

MEGABYTE = "x" * 1_000_000


def test_a_long_value_is_cut_and_its_length_told() -> None:
    assert shown(MEGABYTE).startswith("'xxx") and len(shown(MEGABYTE)) < 120
    assert "1000000 characters" in shown(MEGABYTE)
    assert shown("short") == "'short'"
    assert len(shown(list(range(100_000)))) < 120


def test_a_file_name_that_is_no_text_can_be_logged_and_sent() -> None:
    assert str(DataError(f"{os.fsdecode(bytes([97, 255]))}: is damaged")) == "a\\udcff: is damaged"


def test_control_characters_cannot_forge_a_line_of_the_log() -> None:
    text = shown("task\n[INFO] [robot]: released\x1b[2J\r\x00")
    assert "\n" not in text and "\x1b" not in text and "\r" not in text and "\x00" not in text


def test_names_are_listed_up_to_a_number() -> None:
    text = listed([f"task_{n}" for n in range(5000)])
    assert "task_31" in text and "task_32" not in text and text.endswith("and 4968 more")
    assert listed([]) == "none"
    assert listed(["a", "b\nc"]) == "a, 'b\\nc'"


@pytest.mark.parametrize("name", [MEGABYTE, "a\nb", "\x00", ""])
def test_an_unknown_name_is_one_short_line(name: str) -> None:
    text = str(UnknownName("task", name, ["open_drawer", "close_drawer"]))
    assert len(text) < 250 and text.isprintable() and "open_drawer" in text


def test_a_mistyped_name_still_gets_its_hint() -> None:
    error = UnknownName("task", "open_drawr", ["open_drawer", "close_drawer"])
    assert "did you mean 'open_drawer'" in str(error)


@pytest.mark.parametrize("id_", [MEGABYTE, "", "a/b", "..", "x\x00y"])
def test_an_id_that_cannot_be_a_file_is_a_bad_request(id_: str) -> None:
    with pytest.raises(BadId) as raised:
        check_id("roll-out", id_)
    assert isinstance(raised.value, BadRequest) and isinstance(raised.value, DataError)
    assert len(str(raised.value)) < 300 and str(raised.value).isprintable()
