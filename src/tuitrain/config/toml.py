"""Read and write configurations as TOML; writing into a user's file keeps its comments and order."""

import re
import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from stat import S_ISDIR, S_ISFIFO, S_ISREG
from typing import Any

from tuitrain.config.arguments import TABLE, arguments
from tuitrain.config.formatting import format_for_message
from tuitrain.config.schema import Config
from tuitrain.config.settings import sections, settings
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean, plain

# tomllib takes seconds for a million characters, and hours for a key of many parts.
MAX_CHARACTERS = 2**20
# The behavior of versions without these settings, where it differs from the default.
FORMER_DEFAULTS: dict[str, dict[str, Any]] = {"data": {"split_by": "position", "resize_builtin": False}}
_LONG_KEY = re.compile(r"""(?:[\w"'-]{1,200}[ \t]*\.[ \t]*){50}""")


def loads(text: str, source: str = "the TOML") -> Config:
    """Return the configuration in `text`, with defaults for missing settings. Raise ConfigError, naming `source`."""
    return config_from_tree(parse(text, source), source)


def parse(text: str, source: str) -> dict[str, Any]:
    """Return the tables of a TOML text. Raise ConfigError if the text is not valid TOML."""
    # The copy in a run folder contains all settings in addition to the user's own text.
    if len(text) > 2 * MAX_CHARACTERS:
        raise ConfigError(f"{plain(source)} is larger than {MAX_CHARACTERS // 2**20} MB.")
    if _LONG_KEY.search(text):
        raise ConfigError(f"{plain(source)} contains a key of 50 parts or more.")
    try:
        tree = tomllib.loads(text)
        too_large = _has_large_integer(tree)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{plain(source)} is not valid TOML: {plain(error)}.") from None
    if too_large:
        raise ConfigError(f"A whole number in {plain(source)} does not fit in 64 bits.")
    return tree


def add_former_defaults(tree: dict[str, Any]) -> dict[str, Any]:
    """Add the settings that the run or sweep folder of an older version lacks, as that version behaved. New folders
    contain all settings."""
    for section, former in FORMER_DEFAULTS.items():
        if isinstance(present := tree.setdefault(section, {}), dict):
            tree[section] = former | present
    return tree


def config_from_tree(tree: dict[str, Any], source: str) -> Config:
    """Return the configuration in parsed TOML. Raise ConfigError for unknown sections and invalid settings."""
    values: dict[str, object] = {}
    for section, entries in tree.items():
        if section not in sections():
            hint = did_you_mean(section, sections()) or f"The sections are {', '.join(sections())}."
            raise ConfigError(f"Unknown section {plain(section, 80)!r} in {plain(source)}.", hint, key=section)
        if not isinstance(entries, dict):
            raise ConfigError(
                f"{section} = {format_for_message(entries)} in {plain(source)} must be a section, [{section}]."
            )
        values |= {f"{section}.{name}": value for name, value in entries.items()}
    return build_config(values)


def _has_large_integer(value: object) -> bool:
    """Return whether a number exceeds TOML's 64 bits; Python refuses to print numbers of thousands of digits."""
    if isinstance(value, dict):
        return any(map(_has_large_integer, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_integer, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def read(path: Path) -> tuple[Config, str]:
    """Return the configuration in the file, and the text of the file. Raise ConfigError."""
    text = read_text(path)
    return loads(text, str(path)), text


def read_text(path: Path) -> str:
    """Return the text of a user's file. Raise ConfigError if it cannot be read, or is larger than `MAX_CHARACTERS`."""
    try:
        mode = path.stat().st_mode
        # Only the shell's own pipes, as <(command), are sure to have a writer; reading others could wait for ever.
        if not (S_ISREG(mode) or S_ISDIR(mode) or (S_ISFIFO(mode) and path.is_relative_to("/dev"))):
            raise ConfigError(f"{plain(path)} cannot be read: it is not a regular file.")
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise ConfigError(f"{plain(path)} cannot be read: it is larger than {MAX_CHARACTERS // 2**20} MB.")
        return text
    except FileNotFoundError:
        raise ConfigError(f"There is no file {plain(path)}.", "Create one with: tuitrain config > run.toml") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{plain(path)} cannot be read: {reason}.") from None


def dumps(config: Config, original: str = "") -> str:
    """Return TOML with all settings of `config`, merged into the TOML `original`, whose comments and order stay."""
    import tomlkit
    from tomlkit.items import Table

    values = flatten(config)
    if not original and not arguments(values[TABLE]):
        return _dumps_new(values)
    document = tomlkit.parse(original)
    for key, value in values.items():
        section, _, name = key.partition(".")
        if section not in document:
            document.add(section, tomlkit.table())
        table = document[section]
        assert isinstance(table, (Table, dict))
        if key == TABLE:
            _write_arguments(table, arguments(value))
            continue
        toml_value = to_toml_value(value)
        if name not in table or to_toml_value(table[name]) != toml_value:
            table[name] = toml_value
    return tomlkit.dumps(document)


def _dumps_new(values: Mapping[str, Any]) -> str:
    """Return the text that `dumps` writes without an original, several times as fast."""
    lines: dict[str, list[str]] = {section: [f"[{section}]"] for section in sections()}
    for key, value in values.items():
        if key != TABLE:
            lines[key.partition(".")[0]].append(_line(key, value))
    return "\n\n".join(map("\n".join, lines.values())) + "\n"


def _line(key: str, value: Any) -> str:
    import tomlkit

    return f"{key.partition('.')[2]} = {tomlkit.item(to_toml_value(value)).as_string()}"


def _write_arguments(section: "MutableMapping[str, Any]", wanted: Mapping[str, Any]) -> None:
    """Write the table [model.args] into the section [model]; keep the comments of one that is there."""
    import tomlkit

    table = section.get("args")
    if not isinstance(table, MutableMapping):
        if not wanted:
            section.pop("args", None)
            return
        section["args"] = table = tomlkit.table()
    for name in [name for name in table if name not in wanted]:
        del table[name]
    for name, value in wanted.items():
        if name not in table or table[name] != value or type(table[name]) is not type(tomlkit.item(value)):
            table[name] = value


def template() -> str:
    """Return TOML with all settings at their defaults, each with its help and allowed values as a comment."""
    lines = ["# A tuitrain run. Start it with: tuitrain train -c FILE"]
    for section, about in sections().items():
        lines += ["", f"# {about}", f"[{section}]"]
        for item in settings().values():
            if item.section == section and item.key != TABLE:
                lines += [f"# {item.help} ({item.allowed})", _line(item.key, item.default)]
        if section == "model":
            lines += [f"# {settings()[TABLE].help} ({settings()[TABLE].allowed})", f"[{TABLE}]"]
    return "\n".join(lines) + "\n"


def to_toml_value(value: Any) -> Any:
    """Return `value` in TOML's types: None as the string `none`, a tuple as a list."""
    if value is None:
        return "none"
    if isinstance(value, (tuple, list)):
        return [str(item) if isinstance(item, str) else item for item in value]
    return value
