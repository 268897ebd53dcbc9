"""Writes ``config/params.yaml``: every parameter of every node with its default, range and description.

    python -m amf_ros.ros.params_file > config/params.yaml

A test compares the file with what this writes, so that it cannot differ from the models in ``settings.py``.
Parameters that launch arguments set are left out. Imports no rclpy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from amf_ros.ros.settings import SETTINGS
from amf_ros.ros.start.graph import EVERY_NODE

HEADER = """\
# The ROS parameters of every node, with their defaults: the file that `amf up` and the launch file read
# unless told otherwise (argument `params`). Copy it and keep what you change. Written from the models in
# amf_ros/ros/settings.py by `python -m amf_ros.ros.params_file`. Launch arguments set suite, contract,
# session_directory, demonstrator, robot, robot_config, real_time_factor and use_sim_time. Lines that are
# commented out are empty lists.
"""
_COMMENT_AT = 44


def text() -> str:
    """Return the whole file."""
    lines = [HEADER.rstrip()]
    for node in EVERY_NODE:
        lines += [f"/**/{node.name}:", "  ros__parameters:"]
        lines += _fields(SETTINGS[node.name], set(node.parameters), "    ")
    return "\n".join(lines) + "\n"


def _fields(model: type[BaseModel], without: set[str], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in without:
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"{indent}{name}:"
            yield from _fields(kind, set(), indent + "  ")
        else:
            yield _line(indent, name, field)


def _line(indent: str, name: str, field: FieldInfo) -> str:
    default: Any = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        default = list(default)
    # An empty list has no type that ROS could read from a file.
    said = f"{indent}{name}: {json.dumps(default)}" if default != [] else f"{indent[:-2]}# {name}: []"
    return f"{said:<{_COMMENT_AT}}  # {field.description}{_allowed(field)}"


def _allowed(field: FieldInfo) -> str:
    """Return what else may stand there."""
    if get_origin(field.annotation) is Literal:
        return f"; one of {', '.join(map(str, get_args(field.annotation)))}"
    signs: Mapping[type, str] = {
        annotated_types.Ge: ">=",
        annotated_types.Gt: ">",
        annotated_types.Le: "<=",
        annotated_types.Lt: "<",
    }
    bounds = [
        f"{sign} {getattr(item, kind.__name__.lower()):g}"
        for item in field.metadata
        for kind, sign in signs.items()
        if isinstance(item, kind)
    ]
    return f"; {' and '.join(bounds)}" if bounds else ""


if __name__ == "__main__":
    sys.stdout.write(text())
