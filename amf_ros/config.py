"""YAML -> validated frozen models. Every default, range and doc string lives here once.

Imports types and errors only. ROS parameters are declared from the same models (``ros/parameters.py``).

    config = load_yaml(Path("config/experiments/pretrain.yaml"), PretrainConfig)
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from amf_ros.errors import ConfigError


class Model(BaseModel):
    """Base of all configuration: frozen, no unknown keys, no silent conversions of strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SelectionConfig(Model):
    """How the next task is chosen (method.md)."""

    strategy: str = Field("amf", description="registered name, or package.module:Class")
    noise_variance: float = Field(0.1, gt=0, description="sigma^2 of the expert's action; 0.1 to 1 behave alike")
    states_per_trajectory: int = Field(10, ge=1, description="evenly spaced states of one trajectory")
    trajectories_per_task: int = Field(4, ge=1, description="newest trajectories that stand for a task's occupancy")


class TrainingConfig(Model):
    """Behavioural cloning with the adaptive prior (method.md)."""

    hidden: tuple[int, ...] = Field((256, 256, 256), description="widths of the hidden layers")
    chunk: int = Field(4, ge=1, description="actions per inference [steps]")
    batch_size: int = Field(128, ge=1, description="steps per gradient step")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, cosine to zero")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW")
    pretrain_steps: int = Field(2500, ge=1, description="gradient steps of pre-training")
    num_steps: int = Field(1500, ge=1, description="gradient steps of one fine-tuning")
    prior: bool = Field(True, description="adaptive prior: mix the fine-tuned and the frozen pre-trained output")
    prior_learning_rate: float = Field(5e-2, gt=0, description="of the mixing weights alpha(c)")
    prior_pull: float = Field(0.01, ge=0, description="weight of mean alpha in the loss: pull towards the prior")
    device: str = Field("cpu", description="torch device: cpu, cuda, cuda:0")


class PretrainConfig(Model):
    """What the policy is pre-trained on before anybody asks what to demonstrate next."""

    suite: str = Field("tabletop", description="registered suite, or package.module:Class")
    policy: str = Field("mlp", description="registered policy, or package.module:Class")
    contract: str = Field("panda_tabletop", description="name in config/contracts, or a path")
    demonstrations: dict[str, int] = Field(description="task id -> number of scripted demonstrations; tasks left out are unseen")
    seed: int = Field(0, ge=0, description="of starts, experts and training")
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _positive(self) -> PretrainConfig:
        if not any(self.demonstrations.values()) or min(self.demonstrations.values()) < 0:
            raise ValueError("demonstrations needs at least one task with 1 or more; none may be negative")
        return self


M = TypeVar("M", bound=BaseModel)


def parse(data: object, model: type[M], where: str) -> M:
    """Validate plain data.

    Raises:
        ConfigError: one line with ``where``, the key, the value and what is allowed.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected a mapping with keys {', '.join(model.model_fields)}, got {data!r}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        problem = first["msg"]
        if first["type"] == "extra_forbidden":
            known = _keys_beside(model, first["loc"])
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            problem = "unknown key" + (f", did you mean {near[0]!r}?" if near else "") + f" allowed: {', '.join(known)}"
        raise ConfigError(f"{where}: {key}: {problem} (got {_short(first.get('input'))})") from error


def load_yaml(path: Path, model: type[M]) -> M:
    """Read and validate a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not fit the model.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    return parse(data, model, str(path))


def _keys_beside(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The allowed keys at the place of an unknown one."""
    current: type[BaseModel] = model
    for part in loc[:-1]:
        field = current.model_fields.get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            current = inner
    return list(current.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
