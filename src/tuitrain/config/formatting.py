"""Setting values as text: in TOML, in `--set`, on screens and in messages."""

import re

from tuitrain.text import plain

# Text in quotes, in which a quote is doubled, and the texts between commas.
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_TEXTS = re.compile(rf"(\s*(?:{_QUOTED})\s*|[^,]*)(?:,|\Z)")


def format_value(value: object) -> str:
    """Return `value` as `--set` and TOML write it, with strings unquoted and None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(format_value(item) for item in value) + "]"
    return str(value)


def quoted(text: str) -> str:
    """Return `text` in quotes if a list of values would otherwise split or change it."""
    needs_quotes = "," in text or text[:1] in ("'", '"') or text != text.strip()
    return "'" + text.replace("'", "''") + "'" if needs_quotes else text


def unquoted(text: str) -> str:
    """Return `text` without the quotes around all of it."""
    return text[1:-1].replace(text[0] * 2, text[0]) if re.fullmatch(_QUOTED, text) else text


def split_texts(text: str) -> list[str]:
    """Split `text` at the commas outside quotes and leave out empty parts; the list is not empty."""
    return [part for part in _TEXTS.findall(text) if part.strip()] or [""]


def format_for_message(value: object) -> str:
    """Return any `value`, valid or not, as at most 80 printable characters."""
    try:
        return plain(format_value(value), 80)
    except (ValueError, RecursionError):
        return f"({type(value).__name__} too large to show)"
