"""Parse the filter language of the runs table: `optimizer=adam lr<0.01 test>95% tag:baseline -status:failed words`.

A run must match all terms. A term is a word contained in name, id, tags or notes, or NAME OPERATOR VALUE; a leading `-`
or `!` negates it. The operators are = != < <= > >=, `:` (contains) and `~` (matches a pattern with * and ?). Values
with spaces are quoted; `none` stands for a missing value.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import isclose

from tuitrain.analysis.table.columns import Column, column, columns
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import did_you_mean, plain

Test = Callable[[Entry], bool]

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%|[a-z]*)", re.IGNORECASE)
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SEARCHED_COLUMNS = ("run", "id", "tags", "notes")


def parse(text: str) -> Test:
    """Return a function that tells whether a run matches the filter. Raises ConfigError."""
    test, error = parse_typed(text)
    if error is not None:
        raise error
    return test


def parse_typed(text: str) -> tuple[Test, ConfigError | None]:
    """Parse a filter that is being typed: return the test of its valid terms, and the first error or None."""
    tests: list[Test] = []
    first_error = None
    for term in _terms(text):
        try:
            test = _test(term)
        except ConfigError as error:
            first_error = first_error or error
            continue
        if test is not None:
            tests.append(_negate(test) if term["minus"] else test)
    return lambda run: all(test(run) for test in tests), first_error


@cache
def _term() -> re.Pattern[str]:
    """Return the pattern of a term. The name of a column may be its title as shown, such as `best test`."""
    titles = "|".join(re.escape(column.title) for column in columns().values() if not column.title.isidentifier())
    return re.compile(
        rf"""\s*(?P<minus>[-!]?)
        (?: (?P<name>{titles}|[A-Za-z_][\w.-]*) \s* (?P<sign>!=|<=|>=|==|[=<>:~]) \s* )?
        (?P<value> "[^"]*"? | '[^']*'? | [^\s"']\S* )?""",
        re.VERBOSE | re.IGNORECASE,
    )


def _terms(text: str) -> list[re.Match[str]]:
    return [term for term in _term().finditer(text) if term.group().strip()]


def _negate(test: Test) -> Test:
    return lambda run: not test(run)


def _test(term: re.Match[str]) -> Test | None:
    """Return the test of a term, or None for a lone `-`."""
    value = _unquoted(term["value"] or "")
    if not term["name"]:
        return _search(value) if value else None
    wanted, sign = column(term["name"]), "=" if term["sign"] == "==" else term["sign"]
    if not term["value"]:
        raise ConfigError(f"{wanted.names[0]}{sign} needs a value{_example(wanted)}.")
    if sign == "!=":
        return _negate(_equal(wanted, value))
    if sign == "=":
        return _equal(wanted, value)
    return _compare(wanted, sign, value) if sign in _COMPARE else _match_text(wanted, sign, value)


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:].removesuffix(quote) if quote in ("'", '"') else value


def _example(wanted: Column) -> str:
    if wanted.choices:
        return f": {_choices(wanted)}"
    return {"fraction": ", such as 95%", "duration": ", such as 90s, 5min or 2h"}.get(wanted.kind, "")


def _search(word: str) -> Test:
    needle, searched = word.casefold(), [columns()[key] for key in SEARCHED_COLUMNS]
    return lambda run: any(needle in (column.value(run) or "").casefold() for column in searched)


def _equal(wanted: Column, value: str) -> Test:
    if value.lower() == "none":
        return lambda run: wanted.value(run) is None
    if wanted.key == "tags":
        return lambda run: value.casefold() in (tag.casefold() for tag in run.info.tags)
    if wanted.right:
        number = _number(wanted, value)
        return lambda run: (value := wanted.value(run)) is not None and isclose(value, number)
    if wanted.choices and wanted.kind != "list" and value.lower() not in wanted.choices:
        hint = did_you_mean(value.lower(), wanted.choices) or f"Allowed: {_choices(wanted)}."
        raise ConfigError(f"{wanted.key} cannot be {plain(value, 40)!r}.", hint, key=wanted.key)
    if wanted.kind == "list":
        items = re.findall(r"[^\s,\[\]-]+", value.lower())
        return lambda run: [str(item) for item in wanted.value(run) or ()] == items
    text = value.casefold()
    return lambda run: str(wanted.value(run) or "").casefold() == text


def _choices(wanted: Column) -> str:
    return ", ".join(wanted.choices[:8]) + (" …" if len(wanted.choices) > 8 else "")


def _compare(wanted: Column, sign: str, value: str) -> Test:
    if not wanted.right:
        raise ConfigError(f"{wanted.key} is not a number: {sign} does not apply.", "Use = != : or ~.", key=wanted.key)
    number, compare = _number(wanted, value), _COMPARE[sign]
    return lambda run: (value := wanted.value(run)) is not None and compare(value, number)


def _match_text(wanted: Column, sign: str, value: str) -> Test:
    text = value.casefold()
    if sign == ":":
        return lambda run: text in _searchable(wanted, run)
    pattern = re.compile(fnmatch.translate(text))
    return lambda run: pattern.match(_searchable(wanted, run)) is not None


def _searchable(wanted: Column, run: Entry) -> str:
    """Return the value as lower-case text; numbers as the table shows them."""
    value = wanted.value(run)
    return "" if value is None else (value if isinstance(value, str) else wanted.text(run)).casefold()


def _number(wanted: Column, text: str) -> float:
    """Parse a number of the column's kind; as a fraction, 95% and 95 both mean 0.95."""
    if wanted.kind == "duration" and (clock := re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d)", text)):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    match = _NUMBER.fullmatch(text.strip())
    units = {"fraction": {"": 1.0, "%": 0.01}, "duration": _SECONDS}.get(wanted.kind, _SUFFIXES)
    if match is None or match[2].lower() not in units:
        examples = {"fraction": " such as 0.95 or 95%", "duration": " of seconds such as 90s, 5min, 1:30 or 2h"}
        allowed = f"a number{examples.get(wanted.kind, '')}"
        raise ConfigError(f"{wanted.names[0]} needs {allowed}, not {plain(text, 40)!r}.", key=wanted.key)
    number = float(match[1].replace("_", ""))
    percent = wanted.kind == "fraction" and (match[2] == "%" or abs(number) > 1)
    return number / 100 if percent else number * units[match[2].lower()]


def complete(text: str, entries: Sequence[Entry]) -> str:
    """Complete the last word of `text`, a name or a value; return `text` itself if nothing matches."""
    terms = _terms(text)
    if not terms or not terms[-1].group().strip("-! ") or terms[-1].end() != len(text):
        return text
    name, value = terms[-1]["name"], terms[-1]["value"] or ""
    if not name:
        return text + _completion(value, _names())
    try:
        return text + _completion(value, _values(column(name), entries))
    except ConfigError:
        return text


def _completion(typed: str, words: Iterable[str]) -> str:
    """Return the missing end of the first word that starts with `typed`; words with spaces need a quote."""
    quote = typed[:1] if typed[:1] in ("'", '"') else ""
    start = typed.removeprefix(quote).lower()
    for word in words:
        if word.lower().startswith(start) and len(word) > len(start) and (quote or " " not in word):
            return word[len(start) :] + quote
    return ""


def _names() -> list[str]:
    """Return the short names of all columns, then the long ones."""
    short = [name for column in columns().values() for name in column.names if name != column.key or "." not in name]
    return [*short, *columns()]


def _values(wanted: Column, entries: Sequence[Entry]) -> list[str]:
    if wanted.choices:
        return list(wanted.choices)
    if wanted.key == "tags":
        return sorted({tag for entry in entries for tag in entry.info.tags})
    if wanted.kind in ("text", "list") or "." in wanted.key:
        return sorted({wanted.text(entry) for entry in entries if wanted.value(entry) is not None})
    return []
