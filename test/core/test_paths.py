"""Paths and URIs that people and messages name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amf_ros.core.errors import CheckpointError, ConfigError
from amf_ros.core.paths import find_config, home_expanded, local_path
from amf_ros.learning.checkpoints import as_path, describe
from amf_ros.store.run_directory import RunDirectory

# Any file name that Linux takes, and bytes that are no UTF-8 as Python gives them (surrogates).
names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1) | st.binary(
    min_size=1
).map(lambda data: os.fsdecode(data.replace(b"\0", b"0").replace(b"/", b"_")))


@given(st.lists(names, min_size=1, max_size=4))
def test_any_path_comes_back_from_its_uri_and_from_itself(parts):
    path = Path("/", *parts)
    assert local_path(path.as_uri(), "file") == path
    assert local_path(path, "file") == path


def test_a_text_that_is_no_uri_is_a_path_as_it_is_written():
    for text in ("50%", "a%41", "a ; b", "~x", "C:/x", "a#b?", "-x", "../up", "a\nb"):
        assert local_path(text, "file") == Path(text)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("file://[::1", "is not a URI"),
        ("http://[x", "is not a URI"),
        ("http://[::1]/x", "is no file of this computer"),
        ("s3://bucket/x", "is no file of this computer"),
        ("file://elsewhere/x", "is no file of this computer"),
        ("file:///x%00y", "holds a NUL character"),
        ("/x\0y", "holds a NUL character"),
        (Path("/x\0y"), "holds a NUL character"),
        ("/x\ud800", "holds half a character"),
        ("file:///x\ud800", "holds half a character"),
        ("", "is empty"),
        ("file://", "is empty"),
        ("file:///a?b", "%3F"),
        ("file:///a#b", "%23"),
    ],
)
def test_what_cannot_be_a_path_is_refused_in_one_line(source, said):
    with pytest.raises(CheckpointError) as caught:
        as_path(source)
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"checkpoint {os.fspath(source)!r}: ")
    assert "\n" not in message


@given(
    st.text() | st.text().map(lambda text: f"file://{text}") | st.text().map(lambda text: f"file:///{text}")
)
def test_any_text_at_all_is_a_checkpoint_or_one_error_of_ours(text):
    with pytest.raises(CheckpointError) as caught:
        describe(f"{text}/no such folder")
    assert "\n" not in str(caught.value).replace(text, "")


def test_a_very_long_name_is_shortened_in_the_message():
    with pytest.raises(CheckpointError) as caught:
        describe("x" * 1_000_000)
    assert len(str(caught.value)) < 1000


def test_a_home_of_nobody_is_a_name_like_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert home_expanded(Path("~/x")) == Path("/home/me/x")
    assert home_expanded(Path("~nobody-of-that-name/x")) == Path("~nobody-of-that-name/x")
    assert RunDirectory(Path("~nobody-of-that-name")).root == tmp_path / "~nobody-of-that-name"


def test_a_session_directory_that_is_no_path_is_named():
    with pytest.raises(ConfigError, match="session directory .*NUL"):
        RunDirectory(Path("runs/x\0y"))


def test_a_configuration_file_may_be_named_by_uri(tmp_path):
    path = tmp_path / "50% ü.yaml"
    path.write_text("fps: 20\n")
    assert find_config("contracts", path.as_uri()) == path
    assert find_config("contracts", str(path)) == path
    with pytest.raises(ConfigError, match="contracts .*NUL"):
        find_config("contracts", "a/b\0.yaml")
