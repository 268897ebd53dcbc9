"""What a checkpoint says of itself: ``checkpoint.yaml`` as models, read once for each version.

description = parse_description(run.checkpoints / "round_003")
description.spec.spec()                  # what the policy was made for
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from amf_ros.contract.layout import Entry, ObservationLayout
from amf_ros.core.config import Model, load_yaml
from amf_ros.core.errors import CheckpointError, ConfigError, shown
from amf_ros.core.values import CheckpointInfo
from amf_ros.policies.base import PolicySpec

SCHEMA = "amf_checkpoint/2"
_OLD_SCHEMA = "amf_checkpoint/1"  # observations are one vector
DESCRIPTION = "checkpoint.yaml"


class Making(Model):
    """Says how a checkpoint was made; kept in ``checkpoint.yaml``.

    Attributes:
        finished: False where training was stopped early: such a checkpoint gives way to any other.
        recipe: digest of all that it was made from; empty where nothing says.
        loss: mean over the last logging window; None where there is none.
    """

    finished: bool = True
    recipe: str = ""
    loss: float | None = None


class _Entry(Model):
    """Mirrors an entry of the layout."""

    name: str = Field(min_length=1)
    shape: tuple[Annotated[int, Field(ge=0, le=10_000)], ...] = Field(min_length=1, max_length=4)
    dtype: Literal["float64", "uint8", "uint16"]
    elements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _named(self) -> _Entry:
        if len(self.shape) == 1 and len(self.elements) != self.shape[0]:
            raise ValueError(f"entry {self.name!r} has shape {self.shape} and {len(self.elements)} elements")
        return self


class _Spec(Model):
    """Mirrors :class:`PolicySpec`; ``observation_names`` is how older versions wrote one vector for all."""

    observations: tuple[_Entry, ...] = ()
    observation_names: tuple[str, ...] = ()
    action_names: tuple[str, ...]
    task_names: tuple[str, ...]
    contract_hash: str
    fps: float = Field(gt=0, le=1000)
    chunk: int = Field(ge=1, le=10_000)

    def spec(self) -> PolicySpec:
        """Make the policy's specification."""
        layout = ObservationLayout.of_vector(self.observation_names)
        if self.observations:
            layout = ObservationLayout(tuple(Entry(**entry.model_dump()) for entry in self.observations))
        return PolicySpec(
            layout, self.action_names, self.task_names, self.contract_hash, self.fps, self.chunk
        )


class Description(Model):
    """Mirrors ``checkpoint.yaml``."""

    schema_: str = Field(alias="schema", pattern=f"^({SCHEMA}|{_OLD_SCHEMA})$")
    id: str
    policy: str
    round: int = Field(ge=0, lt=2**31)  # as far as messages go, in which all this is told
    num_demonstrations: int = Field(ge=0, lt=2**31)
    stamp_ns: int = Field(ge=0, lt=2**31 * 10**9)
    sha256: str
    spec: _Spec
    settings: dict[str, Any]
    pretraining: dict[str, int]
    making: Making = Making()


def describe_spec(spec: PolicySpec) -> dict[str, Any]:
    """Return what a checkpoint keeps of its policy's specification, as :meth:`_Spec.spec` reads it."""
    entries = [{"name": e.name, "shape": list(e.shape), "dtype": e.dtype, "elements": list(e.elements)}
               for e in spec.layout.entries]  # fmt: skip
    return {
        "observations": entries,
        "action_names": list(spec.action_names),
        "task_names": list(spec.task_names),
        "contract_hash": spec.contract_hash,
        "fps": spec.fps,
        "chunk": spec.chunk,
    }


def parse_description(path: Path) -> Description:
    """Read ``checkpoint.yaml`` of a checkpoint directory, once for each version. Raises CheckpointError."""
    file = path / DESCRIPTION
    try:
        status = file.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL or half a surrogate in the path
        raise CheckpointError(
            f"no checkpoint at {shown(str(path), 300)}: {DESCRIPTION} is missing; "
            "run 'amf pretrain' to make one"
        ) from error
    return _parsed(file, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=1024)
def _parsed(file: Path, version: tuple[int, ...]) -> Description:
    """Read one version of a description once: who looks for news looks at all checkpoints."""
    try:
        return load_yaml(file, Description)
    except ConfigError as error:
        raise CheckpointError(f"checkpoint {file.parent} cannot be read: {error}") from error


def info_of(path: Path, description: Description) -> CheckpointInfo:
    """Turn the description of a checkpoint in a directory into what messages and journals tell of it."""
    uri = path.resolve().as_uri()
    d = description
    return CheckpointInfo(d.id, uri, d.policy, d.round, d.num_demonstrations, d.stamp_ns)
