"""YAML by version 1.2: what it reads, how it refuses, and that what is written comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import PretrainConfig, SelectionConfig, load_yaml
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import find_config
from amf_ros.core.plain_yaml import dump, read

CONTRACT = find_config("contracts", "panda_tabletop").read_text()
PRETRAIN = "suite: tabletop\ndemonstrations: {press_button: 3}\n"

BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def contract(old: str, new: str) -> str:
    assert old in CONTRACT
    return CONTRACT.replace(old, new, 1)


def at(part: str) -> int:
    """The line that holds a part of the contract's file."""
    return CONTRACT[: CONTRACT.index(part)].count("\n") + 1


END, FPS, TYPE = CONTRACT.count("\n"), at("fps: 20"), at("robot_type: panda")


def loaded(path: Path, text: str | bytes, model=PretrainConfig):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(path, model)


@given(data=st.dictionaries(texts, values, max_size=4))
def test_what_is_written_comes_back(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_text(dump(data), encoding="utf-8")
    found = read(path).data
    assert found == data
    assert list(found) == list(data)


@pytest.mark.parametrize(
    "word", ["no", "1e3", "020", "1:30", "2026-01-02", "2026-13-45", "~", "null", "", " x", "\t"]
)
def test_a_word_that_looks_like_something_else_stays_a_word(tmp_path, word):
    path = tmp_path / "x.yaml"
    path.write_text(dump({word: word}))
    assert read(path).data == {word: word}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("fps: 20", "fps: 020", lambda v: v.fps == 20),
        ("watchdog_ms: 150", "watchdog_ms: 1e3", lambda v: v.action.watchdog_ms == 1000),
        ("range: [0.0, 0.04]", "range: [0.0, 4e-2]", lambda v: v.action.elements[1].range == (0.0, 0.04)),
        ("robot_type: panda", "robot_type: no", lambda v: v.robot_type == "no"),
        ("robot_type: panda", "robot_type: 2026-13-45", lambda v: v.robot_type == "2026-13-45"),
    ],
)
def test_values_mean_what_they_say(tmp_path, old, new, found):
    assert found(loaded(tmp_path / "c.yaml", contract(old, new), ContractSpec))


def test_a_byte_order_mark_and_other_line_ends_do_not_matter(tmp_path):
    wanted = loaded(tmp_path / "c.yaml", CONTRACT, ContractSpec)
    assert loaded(tmp_path / "c.yaml", b"\xef\xbb\xbf" + CONTRACT.encode(), ContractSpec) == wanted
    assert loaded(tmp_path / "c.yaml", CONTRACT.replace("\n", "\r\n"), ContractSpec) == wanted


def test_anchors_and_merged_keys_work(tmp_path):
    text = "demonstrations: {a: &n 3, b: *n}\ntraining:\n  <<: &t {num_steps: 5}\n  chunk: 2\n"
    found = loaded(tmp_path / "p.yaml", text)
    assert found.demonstrations == {"a": 3, "b": 3}
    assert (found.training.num_steps, found.training.chunk) == (5, 2)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            contract("max_age_ms: 100", "max_age_ms: 1:40"),
            at("max_age_ms: 100"),
            "(got '1:40'); write one number",
        ),
        (contract("max_age_ms: 100", "max_age_ms: .inf"), at("max_age_ms: 100"), "finite"),
        (contract("fps: 20", "fps: '20'"), FPS, "(got '20'); leave out the quotes"),
        (contract("fps: 20", "fps: 20,5"), FPS, "write a decimal point, not a comma"),
        (contract("fps: 20", "fps: 20\u00a0"), FPS, "odd space '20\\xa0'"),
        (contract("fps: 20", "fps: yes"), FPS, "valid number (got 'yes')"),
        (
            contract("fps: 20", "fps:\u00a020"),
            FPS + 2,
            f"line {FPS} holds no-break space (U+00A0)",
        ),
        (
            contract("  joint_states:", "\tjoint_states:"),
            at("  joint_states:"),
            "holds a tab: indent with spaces",
        ),
        (
            contract("range: [0.0, 0.04]", "range: [0,0, 0,04]"),
            at("range: [0.0, 0.04]"),
            "a decimal comma makes two numbers",
        ),
        (
            contract("robot_type: panda", "robot_type: 007"),
            TYPE,
            "put it in quotes to make it text",
        ),
        (CONTRACT + "\nfps: 30\n", END + 2, 'duplicate key "fps"'),
        (
            contract("{reliability: reliable, depth: 50}", "{depth: 50, depth: 5}"),
            at("{reliability: reliable, depth: 50}"),
            'duplicate key "depth"',
        ),
        (CONTRACT + "\n---\nfoo: 1\n", END + 2, "several documents"),
        ("? [a, b]\n: 1\n" + CONTRACT, 1, "cannot be a key"),
        (CONTRACT.encode("utf-16"), 1, "UTF-16); save the file as UTF-8"),
        (CONTRACT.replace("# What", "# Größe", 1).encode("latin-1"), 1, "save the file as UTF-8"),
        (CONTRACT + "x: !!python/object/apply:os.system ['true']\n", END + 1, "constructor for the tag"),
        (CONTRACT + "x: \x00\n", 0, "special characters"),
    ],
)
def test_a_trap_of_yaml_is_refused_with_its_line_and_what_to_do(tmp_path, text, line, said):
    path = tmp_path / "c.yaml"
    with pytest.raises(ConfigError) as caught:
        loaded(path, text, ContractSpec)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: " if line else f"{path}: ")
    assert said in message
    assert "\n" not in message and len(message) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("demonstrations: &d {press_button: 3, x: *d}\n", "&d contains itself"),
        ("demonstrations: {101: 3}\n", "(got 101); put it in quotes"),
        ("demonstrations: {a: 3.0}\n", "line 1: demonstrations.a: "),
        (PRETRAIN + "training: {prior: yes}\n", "write true or false"),
        ("[" * 100_000, "nested too deep"),
        ("x: " + "[" * 60 + "]" * 60, "nested too deep"),
        (BOMB, "repeat"),
        ("", "found nothing"),
        ("- a\n", "got ['a']"),
        ("a" * (9 << 20), "larger than 8 MB"),
    ],
    ids=range(10),
)
def test_what_would_be_a_traceback_or_take_all_memory_is_one_line(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path / "p.yaml", text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@given(st.binary(max_size=60) | st.text("ab:-&*[]{},!|>'\"\n\t #%@`?1.", max_size=60).map(str.encode))
def test_any_bytes_are_data_or_one_error_of_ours(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    with pytest.raises(ConfigError) as caught:
        loaded(path, data, ContractSpec)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_does_not_hang(tmp_path):
    with pytest.raises(ConfigError, match="is no file"):
        load_yaml(Path("/dev/zero"), SelectionConfig)
    with pytest.raises(ConfigError, match="is no file"):
        load_yaml(tmp_path, SelectionConfig)
