"""The commands that the script of a run obeys, as the user types them."""

from typing import Protocol

from tuitrain.errors import ConfigError
from tuitrain.runs.control import Setting
from tuitrain.text import listed, plain

# What a script asks for besides its settings.
STOP = "stop"
_WORDS = {"true": True, "false": False}


class Asking(Protocol):
    """A run whose script asks for settings."""

    @property
    def asked_settings(self) -> list[str]: ...


def parse_text(text: str) -> Setting:
    """Return the number or boolean that a text means, or the text itself."""
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_assignment(run: Asking, text: str) -> tuple[str, Setting]:
    """Return the setting and value in `NAME=VALUE`. Raises ConfigError unless the script asks for the setting."""
    key, equals, value = text.partition("=")
    key, names = key.strip(), run.asked_settings
    if key not in names:
        allowed = f"It asks for: {plain(listed(names), 300)}." if names else "It asks for no setting."
        raise ConfigError(f"The script does not ask for {plain(key, 60)!r}.", allowed, key=key)
    if not equals or not value.strip():
        raise ConfigError(f"Give {plain(key, 60)} a value.", f"Write {plain(key, 60)}=VALUE.", key=key)
    return key, parse_text(value)
