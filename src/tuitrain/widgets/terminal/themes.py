"""Load color themes from TOML files: the included ones and the user's own."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct
from textual.design import ColorSystem
from textual.theme import Theme

from tuitrain.config import toml
from tuitrain.errors import ConfigError
from tuitrain.text import plain

SERIES = 8
_REQUIRED = ("primary", "foreground", "background")
_COLORS = (*_REQUIRED, "secondary", "accent", "surface", "panel", "success", "warning", "error")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_TEXT = re.compile(r"(#[0-9a-fA-F]{6}|auto)( \d{1,2}%)?")
_TINT = re.compile(r"#[0-9a-fA-F]{6}( \d{1,2}%)?|transparent")
_STYLE = re.compile(r"none|(not )?(bold|dim|italic|underline|reverse)( (not )?(bold|dim|italic|underline|reverse))*")


class LoadedTheme(Struct, frozen=True):
    """A Textual theme and the `#rrggbb` colors of runs, whose first eight are also the variables series-1 to
    series-8."""

    theme: Theme
    series: tuple[str, ...]


def shipped_themes_folder() -> Path:
    """Return the folder inside the installed package, or at the top of the repository in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "themes"
    return installed if installed.is_dir() else package.parents[1] / "themes"


def load_themes(
    folders: Sequence[Path], skipped: Callable[[ConfigError], object] | None = None
) -> dict[str, LoadedTheme]:
    """Load the themes of all `*.toml` files by name; later folders override earlier ones, missing folders are ignored.

    An invalid file is passed to `skipped` as ConfigError. Without `skipped`, and for included themes, the error is
    raised.
    """
    shipped = shipped_themes_folder()
    themes: dict[str, LoadedTheme] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                loaded = load_theme(path)
            except ConfigError as error:
                if skipped is None or folder == shipped:
                    raise
                skipped(error)
                continue
            themes[loaded.theme.name] = loaded
    return themes


def load_theme(path: Path) -> LoadedTheme:
    """Load a theme. Raises ConfigError if the file is unreadable, not TOML, or contains an invalid key or value."""
    tree = toml.parse(toml.read_text(path), f"Theme {path}")
    try:
        return _build(tree)
    except ConfigError as error:
        raise ConfigError(f"Theme {plain(path)}: {error.message}", error.hint, key=error.key) from None


def _build(tree: dict[str, Any]) -> LoadedTheme:
    known = {"name", "dark", "variables", "series", *_COLORS}
    for key in tree:
        if key not in known:
            raise ConfigError(f"unknown key {plain(key, 60)!r}.", f"The keys are {', '.join(sorted(known))}.", key=key)
    for key in ("name", *_REQUIRED):
        if key not in tree:
            raise ConfigError(f"the key {key!r} is missing.", key=key)
    name = _matching(tree["name"], _NAME, "lower-case letters, digits and hyphens, at most 40", "name")
    dark = tree.get("dark", True)
    if not isinstance(dark, bool):
        raise ConfigError(f"dark = {plain(dark, 60)} must be true or false.", key="dark")
    colors: dict[str, Any] = {
        key: _matching(tree[key], _HEX, "a color such as #1a2b3c", key) for key in _COLORS if key in tree
    }
    series = _series(tree.get("series"))
    variables = _variables(tree.get("variables", {}))
    variables |= {f"series-{number}": color for number, color in enumerate(series[:SERIES], start=1)}
    return LoadedTheme(Theme(name=name, dark=dark, variables=variables, **colors), series)


def _series(section: object) -> tuple[str, ...]:
    colors = section.get("colors") if isinstance(section, dict) and set(section) == {"colors"} else None
    if not isinstance(colors, list) or len(colors) < SERIES:
        raise ConfigError(f"[series] must hold colors, a list of {SERIES} colors or more.", key="series")
    return tuple(_matching(color, _HEX, "colors such as #1a2b3c", "series.colors") for color in colors)


def _variables(section: object) -> dict[str, str]:
    if not isinstance(section, dict):
        raise ConfigError(f"variables = {plain(section, 60)} must be a section, [variables].", key="variables")
    variables = {}
    for key, value in section.items():
        if key not in _known_variables():
            raise ConfigError(f"unknown variable {plain(key, 60)!r}.", "See Textual's guide to themes.", key=key)
        variables[key] = _matching(value, *_allowed(key), key)
    return variables


@cache
def _known_variables() -> frozenset[str]:
    return frozenset(ColorSystem("#000000").generate())


def _allowed(key: str) -> tuple[re.Pattern[str], str]:
    if "-style" in key:
        return _STYLE, "none, bold, dim, italic, underline, reverse"
    if key in ("text", "text-muted", "text-disabled"):
        return _TEXT, 'a color such as "#1a2b3c", or "auto 60%"'
    if "-lighten-" in key or "-darken-" in key:  # Textual computes with these: no alpha, no names
        return _HEX, "a color such as #1a2b3c"
    return _TINT, 'a color such as "#1a2b3c" or "#1a2b3c 40%", or transparent'


def _matching(value: object, pattern: re.Pattern[str], allowed: str, key: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConfigError(f"{key} = {plain(value, 60)!r} is not allowed.", f"Allowed: {allowed}.", key=key)
    return value
