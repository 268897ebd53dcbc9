"""YAML 1.2 files as plain data, and back: the one place that reads and writes YAML for us.

ruamel.yaml does it by YAML 1.2: 020 is twenty, 1e-3 a number, and no, on and 1:30 are text, which in YAML 1.1
they are not. Dates are text here too: nothing of ours is a date. ROS 2's own parameter files are read by rcl.
Lowest layer: imports errors only.

    document = read(path)
    document.data, document.line(("training", "learning_rate"))
    text = dump({"fps": 20})
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from amf_ros.core.errors import ConfigError, shown

LARGEST = 8 << 20  # bytes; a configuration is a few kilobytes, a checkpoint's description of 5,000 tasks 200
DEEPEST, MOST = 40, 200_000  # levels, and values with everything that aliases repeat


class _Constructor(SafeConstructor):
    """Plain data only, and what looks like a date stays the text that it is."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


@dataclass(frozen=True)
class Document:
    """What is in a file, and where in it."""

    data: Any
    _root: Node | None

    def line(self, place: Sequence[int | str]) -> int:
        """Line number of a value, or of what is around it where the file does not have it; 0: empty file."""
        node, line = self._root, 0
        for part in (None, *place):
            if part is not None:
                node = _inside(node, part)
            if node is None:
                break
            line = node.start_mark.line + 1
        return line


def read(path: Path) -> Document:
    """Read one YAML document.

    Raises:
        ConfigError: one line with the file, the line in it and what to mend: the file is missing, no text in
            UTF-8, no YAML, holds several documents, a key twice, or a value within itself.
    """
    text = _text(path)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        root = yaml.compose(io.StringIO(text))
        if root is None:
            return Document(None, None)
        _measure(path, root, {}, 0)
        return Document(yaml.constructor.construct_document(root), root)
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deep; at most {DEEPEST} levels are read") from error
    except MarkedYAMLError as error:
        marks = [mark.line + 1 for mark in (error.context_mark, error.problem_mark) if mark is not None]
        said = " ".join(str(error.problem or error.context).split())
        if isinstance(error, ComposerError) and "document" in said:
            said = "the file holds several documents; keep one, without a line of ---"
        elif not isinstance(error, DuplicateKeyError):
            said = f"is not YAML: {said}{_odd_character(text, marks)}"
        raise ConfigError(f"{path}, line {marks[-1] if marks else 0}: {said}") from error
    except (YAMLError, ValueError) as error:  # ValueError: a number that Python does not take
        said = " ".join(str(error).split())
        raise ConfigError(f"{path}: is not YAML: {said}") from error


def dump(data: Mapping[str, Any]) -> str:
    """Plain data as YAML in blocks, keys in their order; :func:`read` gives the same back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = False  # escaped: some of Unicode's line ends would not come back
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1 << 20  # long texts stay on their line
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is no file; name a YAML file")
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if len(data) > LARGEST:
        raise ConfigError(f"{path}: is larger than {LARGEST >> 20} MB: no file of ours")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise ConfigError(
            f"{path}, line {line}: is not YAML: byte 0x{data[error.start]:02x} is no UTF-8 text ({kind}); "
            "save the file as UTF-8"
        ) from error


def _measure(path: Path, node: Node, sizes: dict[int, int], depth: int) -> int:
    """Return how many values a node stands for with all that its aliases repeat.

    Raises:
        ConfigError: too many, too deep, or within itself; a key that is no single value.
    """
    at = f"{path}, line {node.start_mark.line + 1}"
    known = sizes.get(id(node))
    if known == 0:
        raise ConfigError(f"{at}: &{node.anchor} contains itself; write out what is meant")
    if known is not None:
        return known
    if depth > DEEPEST:
        raise ConfigError(f"{at}: is nested too deep; at most {DEEPEST} levels are read")
    sizes[id(node)] = 0  # begun
    size = 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                line = key.start_mark.line + 1
                raise ConfigError(f"{path}, line {line}: a list or mapping cannot be a key; write one word")
            size += 1 + _measure(path, value, sizes, depth + 1)
    elif isinstance(node, SequenceNode):
        size += sum(_measure(path, item, sizes, depth + 1) for item in node.value)
    if size > MOST:
        raise ConfigError(f"{at}: its aliases repeat more than {MOST} values; write out what is meant")
    sizes[id(node)] = size
    return size


def _inside(node: Node | None, part: int | str) -> Node | None:
    if isinstance(node, MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        found: Node = node.value[part]
        return found
    return None


def _odd_character(text: str, lines: Sequence[int]) -> str:
    """Hint at what the eye does not see in the lines from where a thing began to where it went wrong."""
    if not lines:
        return ""
    for number, row in enumerate(text.split("\n")[lines[0] - 1 : lines[-1]], lines[0]):
        for letter in row:
            if letter == "\t":
                return f"; line {number} holds a tab: indent with spaces"
            if unicodedata.category(letter) in ("Zs", "Cf") and letter != " ":
                name = unicodedata.name(letter, "an unseen character").lower()
                return f"; line {number} holds {name} (U+{ord(letter):04X}): replace it with a plain space"
    return ""


def hint(value: object, problem: str) -> str:
    """Return what to do about a value that has the wrong type, where it shows what was meant; else empty.

    Args:
        value: as it was read.
        problem: pydantic's name of it, such as ``float_type``.
    """
    wants_text, wants_number = problem == "string_type", problem.startswith(("int_", "float_"))
    if wants_text and isinstance(value, (bool, int, float)):
        return "put it in quotes to make it text"
    if problem in ("too_long", "too_short") and isinstance(value, (tuple, list)):
        return "a decimal comma makes two numbers of one: write 0.5" if 0 in value else ""
    if not isinstance(value, str):
        return ""
    words = value.strip().lower()
    if problem == "bool_type" and words in ("yes", "no", "on", "off", "y", "n"):
        return "write true or false"
    if not wants_number:
        return ""
    if words.replace(",", "", 1).lstrip("+-").isdigit() and "," in words:
        return "write a decimal point, not a comma"
    if ":" in words and words.replace(":", "").isdigit():
        return "write one number, without colons"
    if any(letter.isspace() and letter != " " for letter in value):
        return f"it holds an odd space {shown(value)}: use plain ones"
    try:
        float(words)
    except ValueError:
        return ""
    return "leave out the quotes"
