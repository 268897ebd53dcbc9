"""Names of code that came from elsewhere: only what is registered, or allowed here, is imported."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from amf_ros.core.config import PretrainConfig, TrainingConfig
from amf_ros.core.errors import CheckpointError, ConfigError, NotAllowed, UnknownName
from amf_ros.core.plugins import BUILT_IN, load, names, registered
from amf_ros.learning.checkpoint_folder import CheckpointFolder
from amf_ros.learning.checkpoints import load as load_checkpoint
from amf_ros.report.film import replay
from amf_ros.report.gather import gather
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.session.local import run_local
from amf_ros.session.plan import Plan
from amf_ros.session.pretraining import pretrain_checkpoint
from amf_ros.tasks.kinematic import KinematicSuite
from amf_ros.tasks.loading import allowed_policies, load_suite

PATHS = ("builtins:exec", "os:system", "planted:Anything", "planted", "", ":", "a:b:c")


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that would tell if it were imported."""
    (tmp_path / "planted.py").write_text("Anything = print\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planted", raising=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    suite = KinematicSuite()
    training = TrainingConfig(hidden=(8,), pretrain_steps=2, num_steps=2)
    config = PretrainConfig(suite="kinematic", demonstrations={suite.tasks[0].id: 1}, training=training)
    pretrain_checkpoint(config, folder, processes=1)
    return folder / "pretrained"


def of_policy(checkpoint: Path, folder: Path, policy: str) -> Path:
    """A copy that says it is of another policy."""
    copy = shutil.copytree(checkpoint, folder / "checkpoints" / "copy")
    text = (copy / "checkpoint.yaml").read_text()
    assert "policy: mlp" in text
    (copy / "checkpoint.yaml").write_text(text.replace("policy: mlp", f"policy: {policy!r}"))
    return copy


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
@pytest.mark.parametrize("name", PATHS)
def test_a_path_from_elsewhere_is_not_imported(kind: str, name: str) -> None:
    with pytest.raises((NotAllowed, UnknownName)) as raised:
        load(kind, name, allow=("my_lab:Allowed",))
    assert "planted" not in sys.modules and "\n" not in str(raised.value)
    assert kind in str(raised.value)


def test_registered_names_and_allowed_paths_are_loaded() -> None:
    assert load("strategy", "uniform", allow=()).name == "uniform"
    assert load("strategy", "planted:Anything", allow=("planted:Anything",)) is print
    assert load("strategy", "planted:Anything") is print


def install(site: Path, package: str, entry_points: str) -> None:
    """Write the metadata that pip leaves of an installed package."""
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with two installed packages: one of a lab, one that wants names which are taken."""
    site = tmp_path / "site"
    lab = "[amf_ros.strategy]\nfavourite = a_lab.strategies:Favourite\n[amf_ros.suite]\nlab = a_lab:LAB\n"
    install(site, "a_lab", lab)
    install(site, "z_lab", "[amf_ros.strategy]\nuniform = planted:Anything\nfavourite = z_lab:Other\n")
    (site / "a_lab").mkdir()
    (site / "a_lab" / "__init__.py").write_text(
        "from amf_ros.tasks.integrator import IntegratorSuite\nLAB = IntegratorSuite()\n"
    )
    (site / "a_lab" / "strategies.py").write_text(
        "from amf_ros.selection.strategies.uniform import Uniform\n\n\nclass Favourite(Uniform):\n    pass\n"
    )
    monkeypatch.syspath_prepend(site)
    registered.cache_clear()
    yield site
    registered.cache_clear()


def test_an_installed_package_registers_names(installed: Path) -> None:
    assert {"favourite", "uniform", "amf"} <= set(names("strategy")) and "lab" in names("suite")
    assert load("strategy", "favourite", allow=()).__name__ == "Favourite"
    with pytest.raises(UnknownName, match="favourite"):
        load("strategy", "favorite", allow=())


def test_an_installed_package_takes_no_name_from_another(installed: Path) -> None:
    assert load("strategy", "uniform").__module__ == "amf_ros.selection.strategies.uniform"
    assert registered("strategy")["favourite"] == "a_lab.strategies:Favourite"
    assert "planted" not in sys.modules


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import sys\nsys.exit(3)\n", r"raised SystemExit: '3' \(bad_lab.py:2\)"),
        ("raise RuntimeError('no licence')\n", r"raised RuntimeError: 'no licence' \(bad_lab.py:1\)"),
        ("import no_such_dependency\n", r"No module named .*no_such_dependency.*\(bad_lab.py:1\)"),
        ("def (:\n", "raised SyntaxError.*bad_lab.py, line 1"),
    ],
    ids=["exits", "raises", "lacks a dependency", "no Python"],
)
def test_an_installed_package_that_cannot_be_imported_is_named_and_ends_nothing(
    installed: Path, source: str, text: str
) -> None:
    install(installed, "bad_lab", "[amf_ros.strategy]\nbad = bad_lab:Bad\n")
    (installed / "bad_lab.py").write_text(source)
    registered.cache_clear()
    with pytest.raises(ConfigError, match=text) as error:
        load("strategy", "bad", allow=())
    assert "\n" not in str(error.value) and "strategy 'bad_lab:Bad'" in str(error.value)
    assert load("strategy", "favourite", allow=()).__name__ == "Favourite"


def test_the_command_line_knows_an_installed_package_by_its_name(installed: Path) -> None:
    command = [sys.executable, "-m", "amf_ros.cli", "check-suite", "lab", "--seeds", "2"]
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "goal_150" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("policy", PATHS)
def test_a_checkpoint_does_not_choose_what_is_imported(checkpoint: Path, tmp_path: Path, policy: str) -> None:
    copy = of_policy(checkpoint, tmp_path, policy)
    with pytest.raises(CheckpointError):
        load_checkpoint(copy)
    suite = KinematicSuite()
    cache = CheckpointFolder(copy.parent, make_environment(suite).interface, suite)
    with pytest.raises(CheckpointError):
        cache.newest()
    assert "planted" not in sys.modules


def test_a_suite_vouches_for_policies(checkpoint: Path, tmp_path: Path) -> None:
    path = "amf_ros.policies.mlp:MlpPolicy"
    copy = of_policy(checkpoint, tmp_path, path)
    suite = KinematicSuite()
    interface = make_environment(suite).interface
    with pytest.raises(CheckpointError, match="allowed_policies"):
        load_checkpoint(copy)
    assert CheckpointFolder(copy.parent, interface, suite, (path,)).newest()
    suite.policies = (path,)  # type: ignore[attr-defined]
    assert allowed_policies(suite) == (path,)
    assert CheckpointFolder(copy.parent, interface, suite).newest()


def test_what_a_suite_vouches_for_is_text() -> None:
    suite = KinematicSuite()
    suite.policies = "os:system"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="policies"):
        allowed_policies(suite)


def test_a_journal_does_not_choose_what_is_imported(checkpoint: Path, tmp_path: Path) -> None:
    ids = tuple(task.id for task in KinematicSuite().tasks[:1])
    plan = Plan(
        suite="kinematic",
        candidates=ids,
        targets=ids,
        num_rounds=1,
        demonstrations_per_round=1,
        final_episodes=1,
    )
    training = TrainingConfig(hidden=(8,), num_steps=2)
    run_local(plan, checkpoint, tmp_path, training=training)
    database = tmp_path / "session.sqlite"
    assert gather(tmp_path).tasks
    _rename_suite(database, "planted:Anything")
    for read in (gather, lambda folder: replay(folder, "panda_tabletop")):
        with pytest.raises(NotAllowed, match="--suite"):
            read(tmp_path)
    assert "planted" not in sys.modules


def _rename_suite(database: Path, name: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE plan SET value = replace(value, 'kinematic', ?)", (name,))


def test_a_suite_by_path_is_for_those_who_start_the_process() -> None:
    with pytest.raises(NotAllowed):
        load_suite("planted:Anything", allow=())
