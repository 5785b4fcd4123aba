"""Text from files, data sets and users' code, made safe for a terminal."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping

# C0 and C1 controls with DEL; the marks that reorder text; line and paragraph separators; lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")


def plain(text: object, limit: int = 400) -> str:
    """`text` as one line without control characters, at most `limit` characters long.

    What is shown with it must still be kept from being read as markup: hand it to `rich.text.Text`, or to a
    widget with `markup=False`.
    """
    line = str(text)
    if len(line) <= limit and line.isprintable():  # what is unsafe is not
        return line
    line = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", line[: limit + 1].replace("\t", " "))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the hint `Did you mean X?` for the candidate most like `word`, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else ""


def utf8_locale(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user's terminal is said to show more than ASCII."""
    language = environment.get("LANG", "")
    chosen = environment.get("LC_ALL") or environment.get("LC_CTYPE") or language
    # Where nothing or "C" was chosen, Python itself sets LC_CTYPE so (PEP 538).
    coerced = chosen == "C.UTF-8" and not environment.get("LC_ALL") and language in ("", "C", "POSIX")
    return not coerced and "utf" in chosen.lower()
