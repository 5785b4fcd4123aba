"""The addresses that alerts go to: a file in the user's configuration folder that only the user can read."""

import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.config.toml import read_text
from tuitrain.errors import ConfigError
from tuitrain.text import plain

# More addresses than this would be a mistake.
MOST = 20


class Addresses(Struct, forbid_unknown_fields=True):
    """The content of the file: addresses of apprise, such as `ntfy://topic`. They contain passwords and keys."""

    urls: list[str] = []


def addresses_file() -> Path:
    """Return the path of the file. Raise ConfigError if the user has no home folder."""
    import platformdirs

    try:
        return platformdirs.user_config_path("tuitrain", appauthor=False) / "notify.toml"
    except RuntimeError:
        raise ConfigError("You have no home folder.", "Set HOME.") from None


def load_addresses() -> list[str]:
    """Return the addresses; an empty list if the file is missing. Raise ConfigError if it is invalid, or if others can
    read it."""
    path = addresses_file()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{plain(path, 1000)} cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        reason = f"Others can read {plain(path, 1000)}, which contains passwords."
        raise ConfigError(reason, f"Run: chmod 600 {plain(path, 1000)}")
    try:
        return msgspec.toml.decode(read_text(path), type=Addresses).urls
    except (ValueError, RecursionError, msgspec.DecodeError):
        # The message of a parser may quote an address.
        reason = f"{plain(path, 1000)} is not a TOML file with a list of addresses."
        raise ConfigError(reason, 'It should read: urls = ["ntfy://topic"]') from None


def save_addresses(urls: list[str]) -> None:
    """Replace the file. Raise ConfigError if it cannot be written."""
    import tomlkit

    path = addresses_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A link may lead to a folder with all settings of the user.
        file = path.resolve()
        # Only the user can read a temporary folder, which Python removes with all it contains.
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".notify.") as folder:
            draft = Path(folder) / file.name
            draft.touch(mode=0o600)
            draft.write_text(tomlkit.dumps(msgspec.to_builtins(Addresses(urls))), encoding="utf-8")
            draft.replace(file)
    except OSError as error:
        raise ConfigError(f"{plain(path, 1000)} cannot be written: {error.strerror}.") from None
