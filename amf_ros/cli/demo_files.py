"""The files of a demo besides its session: what it was asked for, the pre-trained policy, the summary.

folder = DemoFolder(Path("runs/demo"))
folder.prepare({"seed": 0, "strategy": "amf"}, say=print)    # continues, or starts clean
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

import amf_ros
from amf_ros.cli.output import short
from amf_ros.core.config import Model, PretrainConfig
from amf_ros.core.errors import ConfigError
from amf_ros.core.paths import home_expanded
from amf_ros.store.files import storage_errors, write_folder_whole, write_whole

_DESCRIPTION, _SUMMARY, _REPORT, _LOCK = "demo.json", "summary.json", "report.html", ".lock"
# What a pre-trained policy follows from, besides its configuration.
_SOURCES = ("arm", "contract", "knowledge", "learning", "policies", "rollout", "sim", "tasks")


class DemoConfig(Model):
    """``config/experiments/demo.yaml``."""

    pretraining: str = Field("pretrain", description="a name in config/experiments, or a path")
    tasks: tuple[str, ...] = Field((), description="may be demonstrated, and count; empty: the whole suite")
    demonstrations: int = Field(12, ge=1, description="recorded in the session, in rounds")
    demonstrations_per_round: int = Field(3, ge=1, description="chosen together, then one fine-tuning")
    evaluation_episodes: int = Field(1, ge=0, description="per task after each round")
    final_episodes: int = Field(5, ge=1, description="per task before the first and after the last round")
    fine_tune_steps: int = Field(0, ge=0, description="gradient steps a round; 0: the fine-tuner's parameter")


class DemoFolder:
    """The folder of one demo, which is a session directory too."""

    def __init__(self, root: Path) -> None:
        self.root = home_expanded(root).resolve()
        self.checkpoints, self.logs = self.root / "checkpoints", self.root / "log"
        self.summary, self.report = self.root / _SUMMARY, self.root / _REPORT
        self._description = self.root / _DESCRIPTION
        self.seconds: dict[str, float] = {}
        self._arguments: Mapping[str, Any] = {}

    def prepare(self, arguments: Mapping[str, Any], say: Callable[[str], None]) -> None:
        """Make the folder; keep an unfinished demo with the same arguments, move any other aside.

        Raises:
            ConfigError: the folder holds something that no demo made, or another demo runs in it.
            StorageError: it cannot be made or moved.
        """
        self._arguments = arguments
        with storage_errors(self.root):
            if self.root.exists() and any(self.root.iterdir()):
                stored = self._stored()
                self._take()
                if stored.get("arguments") == arguments and not self.summary.exists():
                    self.seconds = dict(stored["seconds"])
                    say(f"continuing the unfinished demo in {short(self.root)}")
                    return
                aside = _free_name(self.root)
                why = "finished" if self.summary.exists() else "of other arguments"
                self.root.rename(aside)
                say(f"moved the last demo ({why}) to {short(aside)}")
            self.root.mkdir(parents=True, exist_ok=True)
            self._take()
            self.save()

    def _take(self) -> None:
        """Keep other demos out for as long as this process lives."""
        self._lock = (self.root / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another demo is running in {short(self.root)}; wait for it, or choose another --out"
            ) from error

    @property
    def described(self) -> bool:
        """Whether a demo made this folder."""
        return self._description.is_file()

    def save(self) -> None:
        """Write the arguments and the time spent so far."""
        text = json.dumps({"arguments": self._arguments, "seconds": self.seconds}, indent=2)
        with storage_errors(self._description):
            write_whole(self._description, text.encode())

    def spent(self, phase: str, seconds: float) -> None:
        """Count wall time of a phase outside the session [s]."""
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + seconds, 3)
        self.save()

    def _stored(self) -> dict[str, Any]:
        try:
            stored = dict(json.loads(self._description.read_text(encoding="utf-8")))
            return {**stored, "seconds": {str(k): float(v) for k, v in dict(stored["seconds"]).items()}}
        except (OSError, ValueError, TypeError, KeyError) as error:  # no JSON, or not ours
            raise ConfigError(
                f"{self.root} is not empty and no demo made it ({_DESCRIPTION} is missing or damaged); "
                "choose another --out, or move it away"
            ) from error


def demo_seconds(root: Path) -> dict[str, float]:
    """Wall time [s] of a demo's phases outside its session; none for another session directory.

    Raises:
        ConfigError: the description is damaged.
    """
    folder = DemoFolder(root)
    return dict(folder._stored()["seconds"]) if folder.described else {}


def pretrained_folder(runs: Path, config: PretrainConfig) -> Path:
    """Return where the policy of this configuration is kept between demos; named after all it depends on."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    package = Path(amf_ros.__file__).parent
    for source in _SOURCES:
        for path in sorted((package / source).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return runs / "pretrained" / digest.hexdigest()[:12]


def copy_checkpoint(source: Path, checkpoints: Path) -> None:
    """Copy a checkpoint's folder into a session, whole or not at all; nothing to do where it is already.

    Raises:
        StorageError: the disk is full or not writable.
    """
    target = checkpoints / source.name
    if not target.exists():
        with storage_errors(target):
            write_folder_whole(target, {path.name: path.read_bytes() for path in source.iterdir()})


def _free_name(root: Path) -> Path:
    number = 1
    while (aside := root.with_name(f"{root.name}.old-{number}")).exists():
        number += 1
    return aside
