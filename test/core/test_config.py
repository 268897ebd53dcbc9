from __future__ import annotations

from pathlib import Path

import pytest

from amf_ros.core.config import PretrainConfig, SelectionConfig, TrainingConfig, load_yaml, parse
from amf_ros.core.errors import ConfigError, UnknownName
from amf_ros.core.paths import find_config


def refuse(data, model=PretrainConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(data, model, "file.yaml")
    message = str(caught.value)
    assert message.startswith("file.yaml: ")
    assert "\n" not in message
    return message


def test_what_is_left_out_has_its_default():
    config = parse({"demonstrations": {"push": 3}}, PretrainConfig, "file.yaml")
    assert config.training == TrainingConfig()
    assert config.demonstrations == {"push": 3}


def test_lists_become_tuples():
    assert parse({"hidden": [8, 9]}, TrainingConfig, "file.yaml").hidden == (8, 9)


def test_an_unknown_key_is_named_with_the_nearest_and_all_allowed():
    message = refuse({"strateg": "amf"}, SelectionConfig)
    assert "strateg: unknown key, did you mean 'strategy'? allowed: strategy, noise_variance" in message


def test_an_unknown_key_further_in_is_compared_with_its_neighbours():
    message = refuse({"demonstrations": {"a": 1}, "training": {"batchsize": 3}})
    assert "training.batchsize: unknown key, did you mean 'batch_size'?" in message
    assert "suite" not in message


def test_a_missing_key_is_named():
    assert refuse({}) == "file.yaml: demonstrations: Field required"


@pytest.mark.parametrize(
    ("data", "key", "value"),
    [
        ({"noise_variance": 0.0}, "noise_variance", "greater than 0 (got 0.0)"),
        ({"noise_variance": float("nan")}, "noise_variance", "finite"),
        ({"noise_variance": True}, "noise_variance", "(got True)"),
        ({"noise_variance": "0.1"}, "noise_variance", "(got '0.1')"),
        ({"states_per_trajectory": 1.5}, "states_per_trajectory", "(got 1.5)"),
        ({"strategy": None}, "strategy", "(got None)"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(data, key, value):
    message = refuse(data, SelectionConfig)
    assert key in message
    assert value in message


def test_a_rule_over_several_keys_speaks_in_its_own_words():
    assert refuse({"demonstrations": {"a": 0}}).startswith("file.yaml: (whole file): demonstrations needs")


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(data):
    assert "expected a mapping with keys suite" in refuse(data)


def test_a_file_is_read(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text("strategy: uniform\nnoise_variance: 1\n")
    assert load_yaml(path, SelectionConfig) == SelectionConfig(strategy="uniform", noise_variance=1.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"strategy: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"strategy: amf\nstrategy: uniform\n", 'line 2: found duplicate key "strategy"'),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_file_that_is_no_clean_yaml_is_refused_in_one_line(tmp_path: Path, text, problem):
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_yaml(path, SelectionConfig)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read \(No such file"):
        load_yaml(tmp_path / "absent.yaml", SelectionConfig)


def test_a_shipped_file_is_found_by_name():
    assert find_config("contracts", "panda_tabletop").name == "panda_tabletop.yaml"


def test_a_file_is_found_by_path(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.touch()
    assert find_config("contracts", str(path)) == path
    with pytest.raises(ConfigError, match=r"no file 'my_lab/arm\.yaml'"):
        find_config("contracts", "my_lab/arm.yaml")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="unknown contract 'panda_tableto': did you mean 'panda_tabletop'"):
        find_config("contracts", "panda_tableto")


def test_a_sourced_workspace_adds_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "share" / "amf_ros" / "config" / "contracts"
    folder.mkdir(parents=True)
    (folder / "ur5_bench.yaml").touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nonexistent:{tmp_path}")
    assert find_config("contracts", "ur5_bench") == folder / "ur5_bench.yaml"
