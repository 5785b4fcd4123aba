"""Text helpers: make untrusted text safe for a terminal, suggest corrections, detect UTF-8."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence

# C0 and C1 controls and DEL, bidirectional controls, line and paragraph separators, lone surrogates, and the character
# in whose place kitty shows pictures.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff\U0010eeee]")
# Marks of Markdown, and what makes GitHub link an address.
_MARKUP = re.compile(r"[\\|`*_\[\]<>!#&~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
# Characters that JSON does not escape but terminals interpret.
_UNESCAPED = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")

PREFIXES = ("", "k", "M", "G", "T", "P")


def plain(text: object, limit: int = 400) -> str:
    """Return `text` as one line without control characters, at most `limit` characters long. The result may still
    contain markup. Show it by `rich.text.Text`, or in a widget with `markup=False`."""
    line = str(text)
    if len(line) <= limit and line.isprintable():  # no unsafe character is printable
        return line
    line = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", line[: limit + 1].replace("\t", " "))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Return the names, separated by commas, and the number of those beyond `limit`."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return a number and its noun: `1 epoch`, `2,000 epochs`."""
    return f"{count:,} {noun_for(count, noun)}"


def noun_for(count: object, noun: str) -> str:
    """Return the singular `noun` for the number 1, and its plural for anything else."""
    return noun if count == 1 else f"{noun}s"


def thousands(value: float) -> tuple[float, str]:
    """Return `value` scaled to three digits before the point, and the prefix of its unit, such as "k"."""
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value /= 1000
        power += 1
    return value, PREFIXES[power]


def size(amount: float) -> str:
    """Format a number of bytes in powers of 1000: `1.6 MB`."""
    value, prefix = thousands(amount)
    decimals = 1 if prefix and abs(value) < 99.95 else 0
    return f"{value:.{decimals}f} {prefix}B"


def markdown_text(text: object, limit: int = 400) -> str:
    """Return `text` as one line of Markdown that shows it as it is: without markup, HTML, math or links."""
    return _MARKUP.sub(r"\\\g<0>", plain(text, limit))


def printable_json(text: str) -> str:
    """Return the JSON `text` with the characters escaped that terminals interpret."""
    return _UNESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def working_folder() -> str:
    """Return the path of the working folder, safe to show."""
    try:
        return plain(os.getcwd(), 1000)  # noqa: PTH109
    except OSError:
        return "a deleted folder"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the hint `Did you mean X?` for the candidate most like `word`, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else ""


def utf8_locale(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the user chose a locale with UTF-8, so that the terminal can show more than ASCII."""
    language = environment.get("LANG", "")
    locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or language
    # Without a locale, or in "C", Python itself sets LC_CTYPE to C.UTF-8 (PEP 538).
    set_by_python = locale == "C.UTF-8" and not environment.get("LC_ALL") and language in ("", "C", "POSIX")
    return not set_by_python and "utf" in locale.lower()
