"""Configurations as TOML files; comments of the user's own file are kept."""

import tomllib
from pathlib import Path
from stat import S_ISDIR, S_ISFIFO, S_ISREG
from typing import Any

from tuitrain.config.formatting import format_for_message
from tuitrain.config.schema import Config
from tuitrain.config.settings import Setting, sections, settings
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean, plain

LARGEST = 16 * 2**20


def loads(text: str, source: str = "the TOML") -> Config:
    """The configuration that `text` describes; what it does not name has its default. Raises ConfigError."""
    return config_from_tree(parse(text, source), source)


def parse(text: str, source: str) -> dict[str, Any]:
    """Raises ConfigError where it is not TOML."""
    try:
        tree = tomllib.loads(text)
        too_large = _too_large(tree)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{plain(source)} is not valid TOML: {plain(error)}.") from None
    if too_large:
        raise ConfigError(f"A whole number in {plain(source)} has more than 64 bits.")
    return tree


def config_from_tree(tree: dict[str, Any], source: str) -> Config:
    """The configuration of parsed TOML. Raises ConfigError."""
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


def _too_large(value: object) -> bool:
    """Whether a whole number is in it that TOML does not know; some could not even be printed."""
    if isinstance(value, dict):
        return any(map(_too_large, value.values()))
    if isinstance(value, list):
        return any(map(_too_large, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def read(path: Path) -> tuple[Config, str]:
    """The configuration in the file and the file's text. Raises ConfigError."""
    text = read_text(path)
    return loads(text, str(path)), text


def read_text(path: Path) -> str:
    """Raises ConfigError where the user's file cannot be read."""
    try:
        mode = path.stat().st_mode
        # For someone who writes to another pipe than the shell's own, as <(command), one could wait for ever.
        if not (S_ISREG(mode) or S_ISDIR(mode) or (S_ISFIFO(mode) and path.is_relative_to("/dev"))):
            raise ConfigError(f"{plain(path)} cannot be read: it is no plain file.")
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ConfigError(f"{plain(path)} cannot be read: it is larger than {LARGEST // 2**20} MB.")
        return text
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {plain(path)}.", "tuitrain config > run.toml writes one to start from."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{plain(path)} cannot be read: {reason}.") from None


def dumps(config: Config, original: str = "") -> str:
    """`config` as TOML with every setting in it, written into `original`, whose comments and order stay."""
    import tomlkit
    from tomlkit.items import Table

    document = tomlkit.parse(original)
    for key, value in flatten(config).items():
        section, _, name = key.partition(".")
        if section not in document:
            document.add(section, tomlkit.table())
        table = document[section]
        assert isinstance(table, (Table, dict))
        plain_value = _storable(value)
        if name not in table or _storable(table[name]) != plain_value:
            table[name] = plain_value
    return tomlkit.dumps(document)


def template() -> str:
    """A TOML file with every setting at its default, what it means and what is allowed as comments."""
    lines = ["# A run of tuitrain. Start it with: tuitrain train -c FILE"]
    for section, about in sections().items():
        lines += ["", f"# {about}", f"[{section}]"]
        for item in settings().values():
            if item.section == section:
                lines += [f"# {item.help} ({item.allowed})", f"{item.key.partition('.')[2]} = {_literal(item)}"]
    return "\n".join(lines) + "\n"


def _literal(item: Setting) -> str:
    import tomlkit

    return str(tomlkit.item(_storable(item.default)).as_string())


def _storable(value: Any) -> Any:
    """TOML has no null and no tuple: `none` is the word none, a tuple a list."""
    if value is None:
        return "none"
    if isinstance(value, (tuple, list)):
        return [str(item) if isinstance(item, str) else item for item in value]
    return value
