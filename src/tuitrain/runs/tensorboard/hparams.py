"""Read hyperparameters of other tools: TensorBoard's hparams plugin and Lightning's hparams.yaml."""

import struct
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from tuitrain.errors import RunError
from tuitrain.runs.external import convert_setting
from tuitrain.runs.files import read
from tuitrain.runs.tensorboard.protobuf import BYTES, FIXED64, VARINT, fields
from tuitrain.runs.tensorboard.tags import setting
from tuitrain.text import plain

MOST, DEEPEST, LONGEST = 300, 4, 200
LARGEST_FILE = 2**20


def session(content: bytes) -> tuple[dict[str, Any], int | None]:
    """Return the hparams in an HParamsPluginData message, and its session status: 1 success, 2 failure, None unknown.
    Raises ValueError if the message is invalid."""
    found: dict[str, Any] = {}
    ended = None
    for number, wire, begin, end in fields(content, 0, len(content)):
        if (number, wire) == (3, BYTES):
            for field, kind, start, stop in fields(content, begin, end):
                if (field, kind) == (1, BYTES) and len(found) < MOST:
                    name, value = _entry(content, start, stop)
                    found[name] = value
        elif (number, wire) == (4, BYTES):
            end_info = {field: start for field, _, start, _ in fields(content, begin, end)}
            # torch and Lightning write a success without an end time at the start of the session.
            ended = end_info.get(1, 0) if 2 in end_info else None
    return found, ended


def _entry(data: bytes, begin: int, end: int) -> tuple[str, Any]:
    """Decode a name and a google.protobuf.Value."""
    name, value = "", None
    for number, wire, start, stop in fields(data, begin, end):
        if (number, wire) == (1, BYTES):
            name = _text(data[start:stop])
        elif (number, wire) == (2, BYTES):
            for field, kind, first, last in fields(data, start, stop):
                if (field, kind) == (2, FIXED64):
                    value = struct.unpack_from("<d", data, first)[0]
                elif (field, kind) == (3, BYTES):
                    value = _text(data[first:last])
                elif (field, kind) == (4, VARINT):
                    value = bool(first)
    return name, value


def _text(content: bytes) -> str:
    return plain(content.decode("utf-8", "replace"), LONGEST)


def from_yaml(path: Path) -> dict[str, Any]:
    """Return numbers, booleans and strings by name, nested names joined by slashes; empty if the file is not YAML. YAML
    tags never create objects."""
    import yaml

    try:
        if path.stat().st_size > LARGEST_FILE:
            return {}
        node = yaml.compose(read(path).decode("utf-8", "replace"), Loader=yaml.SafeLoader)
        return dict(pair for pair, _ in zip(_scalars(node, "", 0), range(MOST), strict=False))
    except (RunError, OSError, yaml.YAMLError, RecursionError, ValueError):
        return {}


def _scalars(node: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        yield name, _scalar(node.tag, node.value)
    elif isinstance(node, yaml.MappingNode) and depth < DEEPEST:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from _scalars(value, f"{name}/{_text(key.value.encode())}".lstrip("/"), depth + 1)


def _scalar(tag: str, text: str) -> Any:
    kind = tag.rpartition(":")[2]
    try:
        if kind in ("int", "float"):
            return float(text.replace("_", ""))
    except ValueError:
        pass
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    return None if kind == "null" else plain(text, LONGEST)


def by_setting(hparams: dict[str, Any]) -> dict[str, Any]:
    """Map hparams to setting keys if possible, otherwise keep their names; convert whole numbers to int."""
    settings: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in hparams.items():
        if isinstance(value, float) and isfinite(value) and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        key = setting(name)
        converted = None if key is None or value is None else convert_setting(key, value)
        if key is not None and converted is not None:
            settings.setdefault(key, converted)
        elif value is not None and key != name:
            others[name] = value
    return settings | others
