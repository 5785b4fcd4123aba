"""Setting values as text: in TOML, in `--set`, on screens and in messages."""

from tuitrain.text import plain


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


def format_for_message(value: object) -> str:
    """Return any `value`, valid or not, as at most 80 printable characters."""
    try:
        return plain(format_value(value), 80)
    except (ValueError, RecursionError):
        return f"({type(value).__name__} too large to show)"
