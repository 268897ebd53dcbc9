"""ROS parameters from the same pydantic models as the YAML files: one default, range and text for both.

    settings = declare(node, RobotSettings)      # every parameter declared, read, validated

A nested model becomes a prefix: ``training.num_steps``. All are read-only: a node is restarted to change one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from amf_ros.core.config import parse
from amf_ros.core.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_LARGEST_INTEGER = 2**63 - 1
_LARGEST_DOUBLE = 1.7e308


def declare(node: Node, model: type[M]) -> M:
    """Declare every field of ``model`` on ``node`` and read what was set.

    Raises:
        ConfigError: a value has the wrong type, is out of range or unknown; names node and parameter.
    """
    return parse(_declare(node, model, ""), model, f"parameters of {node.get_name()}")


def _declare(node: Node, model: type[BaseModel], prefix: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            values[name] = _declare(node, field.annotation, f"{prefix}{name}.")
        else:
            values[name] = _declare_one(node, prefix + name, field)
    return values


def _declare_one(node: Node, name: str, field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        default = list(default)
    empty = default == [] or field.is_required()
    try:
        if empty:  # an empty list has no ROS type of its own
            kind = Parameter.Type.STRING if field.annotation is str else Parameter.Type.STRING_ARRAY
            node.declare_parameter(name, kind, descriptor(field))
        else:
            node.declare_parameter(name, default, descriptor(field))
        value = node.get_parameter(name).value
    except ParameterUninitializedException:
        if field.is_required():
            raise ConfigError(
                f"parameters of {node.get_name()}: {name} is not set: {field.description}"
            ) from None
        return default
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ConfigError(f"parameters of {node.get_name()}: {name}: {error}") from error
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "tolist") else value


def descriptor(field: FieldInfo) -> ParameterDescriptor:
    """Return description, range and allowed values of one field, as ``ros2 param describe`` shows them."""
    # An integer is a fine value for a double; ROS alone would refuse it, the model checks it anyway.
    made = ParameterDescriptor(
        description=field.description or "", read_only=True, dynamic_typing=field.annotation is float
    )
    bounds = _bounds(field)
    if get_origin(field.annotation) is Literal:
        made.additional_constraints = "one of " + ", ".join(map(str, get_args(field.annotation)))
    elif bounds and field.annotation is float:
        low, high = bounds.get("low", -_LARGEST_DOUBLE), bounds.get("high", _LARGEST_DOUBLE)
        made.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif bounds and field.annotation is int:
        low, high = bounds.get("low", -_LARGEST_INTEGER), bounds.get("high", _LARGEST_INTEGER)
        made.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    return made


def _bounds(field: FieldInfo) -> Mapping[str, float]:
    """Return closed bounds; an open one is shown closed and checked by the model."""
    bounds: dict[str, float] = {}
    for item in field.metadata:
        if isinstance(item, annotated_types.Ge):
            bounds["low"] = float(item.ge)  # type: ignore[arg-type]
        elif isinstance(item, annotated_types.Gt):
            bounds["low"] = float(item.gt)  # type: ignore[arg-type]
        elif isinstance(item, annotated_types.Le):
            bounds["high"] = float(item.le)  # type: ignore[arg-type]
        elif isinstance(item, annotated_types.Lt):
            bounds["high"] = float(item.lt)  # type: ignore[arg-type]
    return bounds
