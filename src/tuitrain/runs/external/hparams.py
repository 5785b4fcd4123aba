"""Read hyperparameters that other tools wrote, and map them to settings."""

from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from tuitrain.errors import RunError
from tuitrain.runs.external.json_text import leaves
from tuitrain.runs.external.tags import setting
from tuitrain.runs.external_info import convert_setting
from tuitrain.runs.files import read
from tuitrain.text import plain

MOST, DEEPEST, LONGEST = 300, 4, 200
LARGEST_FILE = 2**20


def hparam_text(content: bytes) -> str:
    """Return the name or value of a hyperparameter as short plain text."""
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
                yield from _scalars(value, f"{name}/{hparam_text(key.value.encode())}".lstrip("/"), depth + 1)


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


def from_values(value: Any) -> dict[str, Any]:
    """Return numbers, booleans and strings of decoded JSON by name, like `from_yaml`."""
    return {
        plain(name, LONGEST): plain(leaf, LONGEST) if isinstance(leaf, str) else leaf
        for name, leaf in islice(leaves(value), MOST)
    }


def number_or_text(value: str) -> float | str:
    """Return a value that a tool stores as text as a number, if it is one."""
    try:
        return float(value)
    except ValueError:
        return value


def by_setting(hparams: Mapping[str, Any]) -> dict[str, Any]:
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
