"""YAML -> validated frozen models. Every default, range and doc string lives here once.

Imports types, errors and plain_yaml only. ROS parameters are declared from the same models, in
``ros/parameters.py``.

    config = load_yaml(Path("config/experiments/pretrain.yaml"), PretrainConfig)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from amf_ros.core.defaults import CONTRACT, STRATEGY, SUITE
from amf_ros.core.errors import ConfigError
from amf_ros.core.plain_yaml import hint, read


class Model(BaseModel):
    """Base of all configuration: frozen, no unknown keys, no silent conversions of strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KernelConfig(Model):
    """The covariance k(s, s') k(c, c') of a Gaussian process over observations s and task embeddings c."""

    family: Literal["rbf", "matern12", "matern32", "matern52"] = Field(
        "rbf", description="of both factors: squared exponential, or Matern of that smoothness"
    )
    state_lengthscale: float = Field(
        1.0, gt=0, description="of the observation part, in units of the rows given (z-scores)"
    )
    task_lengthscale: float = Field(1.0, gt=0, description="of the task embedding's part, in its units")


class GpConfig(KernelConfig):
    """The Gaussian-process policy (amf_ros/policies/gp.py)."""

    noise_variance: float = Field(
        0.01, gt=0, description="of a demonstrated action, in standardised units: share of its variance"
    )
    fit: bool = Field(
        False, description="lengthscales and noise by marginal likelihood of the pre-training steps"
    )
    max_points: int = Field(
        2000, ge=1, description="steps kept of pre-training, and as many of fine-tuning; thinned evenly"
    )


class SelectionConfig(Model):
    """How the next task is chosen (method.md)."""

    strategy: str = Field(STRATEGY, description="registered name, or package.module:Class")
    noise_variance: float = Field(
        1.0, gt=0, description="sigma^2 of the expert's action, beside a prior variance of 1"
    )
    states_per_trajectory: int = Field(10, ge=1, description="evenly spaced states of one trajectory")
    trajectories_per_task: int = Field(
        4, ge=1, description="newest trajectories that stand for a task's occupancy"
    )
    information: Literal["exact", "linear", "variance"] = Field(
        "exact", description="exact information gain, its first order, or the variance that is removed"
    )
    uncertainty: str = Field("features", description="registered uncertainty model, or package.module:Object")
    task_weight: float = Field(
        0.5, ge=0, lt=1, description="share of the kernel that the task embedding alone makes up"
    )
    coverage: bool = Field(True, description="condition on what the checkpoint says pre-training covered")
    anchors: bool = Field(
        True, description="condition on what an audit of the pre-trained policy shows to work"
    )
    occupancy: str = Field(
        "demonstrations", description="registered occupancy: where the states of a task come from"
    )
    importance_variance: float = Field(
        1.0, gt=0, description="variance of an action in the importance weights, in standardised units"
    )
    reset_s: float = Field(10.0, ge=0, description="of resetting the scene before each attempt [s]")
    stop_below: float = Field(
        0.0,
        ge=0,
        description="another demonstration is not worth it below this expected gain [nat]; "
        "for strategies that choose by cost, below this gain per minute",
    )
    memory_mb: int = Field(1200, ge=1, description="bound on what is kept between calls [MB]")
    kernel: KernelConfig = KernelConfig()


class TrainingConfig(Model):
    """Behavioural cloning with the adaptive prior (method.md)."""

    hidden: tuple[int, ...] = Field((256, 256, 256), description="widths of the hidden layers")
    chunk: int = Field(4, ge=1, description="actions per inference [steps]")
    batch_size: int = Field(128, ge=1, description="steps per gradient step")
    pretrain_learning_rate: float = Field(3e-3, gt=0, description="of AdamW in pre-training, cosine to zero")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW in fine-tuning, cosine to zero")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW")
    pretrain_steps: int = Field(2500, ge=1, description="gradient steps of pre-training")
    num_steps: int = Field(1000, ge=1, description="gradient steps of one fine-tuning")
    prior: bool = Field(
        True, description="adaptive prior: mix the fine-tuned and the frozen pre-trained output"
    )
    prior_learning_rate: float = Field(1e-1, gt=0, description="of the mixing weights alpha(c)")
    prior_pull: float = Field(
        0.2,
        ge=0,
        description="weight of alpha(c) in the loss, over the number of its demonstrations: by how much "
        "pi_ft must fit them better than pi_0",
    )
    device: str = Field("cpu", description="torch device: cpu, cuda, cuda:0")
    gp: GpConfig = GpConfig()


class PretrainConfig(Model):
    """What the policy is pre-trained on before anybody asks what to demonstrate next."""

    suite: str = Field(SUITE, description="registered suite, or package.module:Class")
    policy: str = Field("mlp", description="registered policy, or package.module:Class")
    contract: str = Field(CONTRACT, description="name in config/contracts, or a path")
    demonstrations: dict[str, int] = Field(
        description="task id -> number of scripted demonstrations; tasks left out are unseen"
    )
    uncertainty: tuple[str, ...] = Field(
        ("features",), description="uncertainty models that the checkpoint keeps coverage for"
    )
    seed: int = Field(0, ge=0, description="of starts, experts and training")
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _positive(self) -> PretrainConfig:
        if not any(self.demonstrations.values()) or min(self.demonstrations.values()) < 0:
            raise ValueError("demonstrations needs at least one task with 1 or more; none may be negative")
        return self


M = TypeVar("M", bound=BaseModel)
Place = tuple[int | str, ...]  # keys and positions that lead to a value


def parse(data: object, model: type[M], where: str, line: Callable[[Place], int] | None = None) -> M:
    """Validate plain data.

    Args:
        data: to validate.
        model: what it must be.
        where: it comes from, for the message.
        line: of a value in the file, where it comes from one.

    Raises:
        ConfigError: one line with ``where``, the key, the value, what is allowed and a hint.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where}: expected a mapping with keys {', '.join(_keys(model))}, "
            f"{'found nothing' if data is None else f'got {_short(data)}'}"
        )
    try:
        return model.model_validate(_tuples(data), strict=True)
    except ValidationError as error:
        # A mistyped key is missing too: the unknown one says more.
        first = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
        holder, key = _locate(model, data, first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), holder, n=1)
            problem = (
                f"unknown key, {f'did you mean {near[0]!r}? ' if near else ''}allowed: {', '.join(holder)}"
            )
        got = "" if isinstance(first["input"], dict) else f" (got {_short(first['input'])})"
        advice = hint(first["input"], first["type"])
        at = f"{where}, line {line(first['loc'])}" if line else where
        raise ConfigError(f"{at}: {key}: {problem}{got}{f'; {advice}' if advice else ''}") from error


def load_yaml(path: Path, model: type[M]) -> M:
    """Read and validate a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not fit the model.
    """
    document = read(path)
    return parse(document.data, model, str(path), document.line)


def _tuples(data: Any) -> Any:
    """Turn lists into tuples, which strict validation wants where a field is frozen."""
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return tuple(_tuples(value) for value in data) if isinstance(data, list) else data


def _keys(model: type[BaseModel]) -> list[str]:
    """As they are written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _locate(model: type[BaseModel], data: Any, loc: tuple[int | str, ...]) -> tuple[list[str], str]:
    """Return the keys allowed beside the last part of a place, and the place as a reader of the file sees it.

    pydantic puts the tags of unions into ``loc``; they are no keys of the file.
    """
    kind: Any = model
    holder, shown = _keys(model), []
    for part in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            holder = _keys(kind)
        is_key = part in data if isinstance(data, dict) else isinstance(data, (list, tuple))
        if is_key or part == loc[-1]:
            shown.append(str(part))
        kind = _inside(kind, part)
        data = data[part] if is_key else data
    return holder, ".".join(shown) or "(whole file)"


def _inside(kind: Any, part: int | str) -> Any:
    """Return the annotation one step further in: of a field, an item, or a union's member with that tag."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        return fields.get(str(part))
    if get_origin(kind) is Annotated:
        return _inside(get_args(kind)[0], part)
    members = [a for a in get_args(kind) if isinstance(a, type) and issubclass(a, BaseModel)]
    for member in members:
        if any(part in get_args(field.annotation) for field in member.model_fields.values()):
            return member
    return get_args(kind)[1 if get_origin(kind) is dict else 0] if get_args(kind) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
