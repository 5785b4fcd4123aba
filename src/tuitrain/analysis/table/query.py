"""The language that runs are filtered by: `optimizer=adam lr<0.01 test>95% tag:baseline -status:failed words`.

All terms must hold. A term is a word that name, id, tags or notes contain, or NAME OPERATOR VALUE, each perhaps after a
`-` or `!` that turns it round. Operators: = != < <= > >=, `:` contains, `~` fits a pattern with * and ?. Values with
spaces stand in quotes; `none` is no value.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from math import isclose

from msgspec import Struct

from tuitrain.analysis.table.columns import Column, column, columns
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import did_you_mean, plain

Test = Callable[[Entry], bool]

_TERM = re.compile(
    r"""\s*(?P<minus>[-!]?)
    (?: (?P<name>[A-Za-z_][\w.-]*) \s* (?P<sign>!=|<=|>=|==|[=<>:~]) \s* )?
    (?P<value> "[^"]*"? | '[^']*'? | [^\s"']\S* )?""",
    re.VERBOSE,
)
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%|[a-z]*)", re.IGNORECASE)
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SEARCHED = ("run", "id", "tags", "notes")


class Query(Struct, frozen=True):
    """Called with a run, it says whether the run fits."""

    tests: tuple[Test, ...]

    def __call__(self, entry: Entry) -> bool:
        return all(test(entry) for test in self.tests)


def parse(text: str) -> Query:
    """Raises ConfigError with what is wrong and what would be right."""
    query, error = parse_typed(text)
    if error is not None:
        raise error
    return query


def parse_typed(text: str) -> tuple[Query, ConfigError | None]:
    """For a text that is still being typed: without the terms that are wrong, and what is wrong with the first."""
    tests: list[Test] = []
    wrong = None
    for term in _terms(text):
        try:
            test = _test(term)
        except ConfigError as error:
            wrong = wrong or error
            continue
        if test is not None:
            tests.append(_opposite(test) if term["minus"] else test)
    return Query(tuple(tests)), wrong


def _terms(text: str) -> list[re.Match[str]]:
    return [term for term in _TERM.finditer(text) if term.group().strip()]


def _opposite(test: Test) -> Test:
    return lambda run: not test(run)


def _test(term: re.Match[str]) -> Test | None:
    """None for a lone `-`: the rest of the term is still to be typed."""
    value = _unquoted(term["value"] or "")
    if not term["name"]:
        return _search(value) if value else None
    found, sign = column(term["name"]), "=" if term["sign"] == "==" else term["sign"]
    if not term["value"]:
        raise ConfigError(f"{found.names[0]}{sign} needs a value{_example(found)}.")
    if sign == "!=":
        return _opposite(_equal(found, value))
    if sign == "=":
        return _equal(found, value)
    return _compare(found, sign, value) if sign in _COMPARE else _fits(found, sign, value)


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:].removesuffix(quote) if quote in ("'", '"') else value


def _example(wanted: Column) -> str:
    if wanted.choices:
        return f": {', '.join(wanted.choices[:8])}{' …' if len(wanted.choices) > 8 else ''}"
    return {"fraction": ", such as 95%", "duration": ", such as 90s, 5min or 2h"}.get(wanted.kind, "")


def _search(word: str) -> Test:
    wanted, places = word.casefold(), [columns()[key] for key in SEARCHED]
    return lambda run: any(wanted in (place.value(run) or "").casefold() for place in places)


def _equal(wanted: Column, value: str) -> Test:
    if value.lower() == "none":
        return lambda run: wanted.value(run) is None
    if wanted.key == "tags":
        return lambda run: value.casefold() in (tag.casefold() for tag in run.info.tags)
    if wanted.right:
        number = _number(wanted, value)
        return lambda run: (found := wanted.value(run)) is not None and isclose(found, number)
    if wanted.choices and wanted.kind != "list" and value.lower() not in wanted.choices:
        hint = did_you_mean(value.lower(), wanted.choices)
        raise ConfigError(f"{wanted.key} is never {plain(value, 40)!r}.", hint or _allowed(wanted), key=wanted.key)
    if wanted.kind == "list":
        items = re.findall(r"[^\s,\[\]-]+", value.lower())
        return lambda run: [str(item) for item in wanted.value(run) or ()] == items
    text = value.casefold()
    return lambda run: str(wanted.value(run) or "").casefold() == text


def _allowed(wanted: Column) -> str:
    return f"It is one of {', '.join(wanted.choices[:8])}{' …' if len(wanted.choices) > 8 else ''}."


def _compare(wanted: Column, sign: str, value: str) -> Test:
    if not wanted.right:
        raise ConfigError(f"{wanted.key} is no number: {sign} cannot compare it.", "Use = != : or ~.", key=wanted.key)
    number, compare = _number(wanted, value), _COMPARE[sign]
    return lambda run: (found := wanted.value(run)) is not None and compare(found, number)


def _fits(wanted: Column, sign: str, value: str) -> Test:
    text = value.casefold()
    if sign == ":":
        return lambda run: text in _words(wanted, run)
    pattern = re.compile(fnmatch.translate(text))
    return lambda run: pattern.match(_words(wanted, run)) is not None


def _words(wanted: Column, run: Entry) -> str:
    """What the run has there, as text to look into: numbers as the table shows them."""
    value = wanted.value(run)
    return "" if value is None else (value if isinstance(value, str) else wanted.text(run)).casefold()


def _number(wanted: Column, text: str) -> float:
    """Fractions also in per cent: 95% is 0.95, and so is 95, which no fraction can be."""
    if wanted.kind == "duration" and (clock := re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d)", text)):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    match = _NUMBER.fullmatch(text.strip())
    units = {"fraction": {"": 1.0, "%": 0.01}, "duration": _SECONDS}.get(wanted.kind, _SUFFIXES)
    if match is None or match[2].lower() not in units:
        words = {"fraction": "a number such as 0.95 or 95%", "duration": "a time such as 90s, 5min, 1:30 or 2h"}
        allowed = words.get(wanted.kind, "a number")
        raise ConfigError(f"{wanted.names[0]} is compared with {allowed}, not {plain(text, 40)!r}.", key=wanted.key)
    number = float(match[1].replace("_", ""))
    percent = wanted.kind == "fraction" and (match[2] == "%" or abs(number) > 1)
    return number / 100 if percent else number * units[match[2].lower()]


def complete(text: str, entries: Sequence[Entry]) -> str:
    """`text` with its last word, a name or a value, completed; as it is where nothing fits."""
    terms = _terms(text)
    if not terms or not terms[-1].group().strip("-! ") or terms[-1].end() != len(text):
        return text
    name, value = terms[-1]["name"], terms[-1]["value"] or ""
    if not name:
        return text + _rest(value, _names())
    try:
        return text + _rest(value, _values(column(name), entries))
    except ConfigError:
        return text


def _rest(begun: str, words: Iterable[str]) -> str:
    """What is missing from the first of the words that begins so; quotes for words with spaces."""
    quote = begun[:1] if begun[:1] in ("'", '"') else ""
    start = begun.removeprefix(quote).lower()
    for word in words:
        if word.lower().startswith(start) and (quote or " " not in word):
            return word[len(start) :] + quote if len(word) > len(start) else ""
    return ""


def _names() -> list[str]:
    """The short names of all columns, and then the long ones."""
    short = [name for one in columns().values() for name in one.names if name != one.key or "." not in name]
    return [*short, *columns()]


def _values(wanted: Column, entries: Sequence[Entry]) -> list[str]:
    if wanted.choices:
        return list(wanted.choices)
    if wanted.key == "tags":
        return sorted({tag for entry in entries for tag in entry.info.tags})
    if wanted.kind in ("text", "list") or "." in wanted.key:
        return sorted({wanted.text(entry) for entry in entries if wanted.value(entry) is not None})
    return []
