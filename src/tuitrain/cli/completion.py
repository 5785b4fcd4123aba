"""Complete the command line in a shell: names of runs and sweeps, settings and their values, columns, files."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import argcomplete
from argcomplete.completers import FilesCompleter

from tuitrain.cli.parser import BACKGROUND, build
from tuitrain.config.networks import timm_names
from tuitrain.config.settings import Setting, settings
from tuitrain.config.sweeps.sweep import sweep_settings
from tuitrain.errors import TuitrainError
from tuitrain.text import plain

# Words and their descriptions, which zsh and fish show.
Words = dict[str, str]
# Reading names takes a file per run.
_NAMED = 300
# The keys that `tuitrain set` and `tuitrain evaluate --set` accept.
_CHANGES = ("optimizer.lr", "training.epochs")
_OTHER_IMAGES = ("data.dir", "data.labels")


def complete() -> None:
    """Print the words that a shell asks for by environment variables, and exit."""
    parser = build()
    for action in (action for command in _commands(parser) for action in command._actions):
        if isinstance(action.metavar, str) and action.metavar in _COMPLETERS:
            action.completer = _COMPLETERS[action.metavar]  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, exclude=BACKGROUND, always_complete_options=False)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _runs(parsed_args: argparse.Namespace, **_: Any) -> Words:
    """Return the ids of the runs and, of the newest ones, the names."""
    from tuitrain.runs.folder import folders

    found: Words = {}
    with suppress(TuitrainError, OSError):
        runs = folders(parsed_args.runs_dir)
        for folder in islice(runs, _NAMED):
            name = folder.name()
            found |= {folder.id: name, name: folder.id}
        found |= dict.fromkeys((folder.id for folder in runs), "")
    return _printable(found)


def _sweeps(parsed_args: argparse.Namespace, **_: Any) -> Words:
    from tuitrain.runs.sweeps.catalog import list_sweeps

    with suppress(TuitrainError, OSError):
        return _printable({sweep.id: "" for sweep in list_sweeps(parsed_args.runs_dir)})
    return {}


def _settings(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Words:
    """Return the keys of settings or, after the equals sign, values of one; after a comma, further values."""
    table = settings() | (sweep_settings() if parsed_args.command == "sweep" else {})
    key, equals, value = prefix.partition("=")
    if equals:
        if (setting := table.get(key)) is None:
            return {}
        before = prefix[: prefix.rindex(",") + 1] if "," in value else f"{key}="
        return {f"{before}{word}": "" for word in _values(setting, prefix.removeprefix(before))}
    if parsed_args.command == "set" and (asked := _asked(parsed_args)):
        return asked
    only = {"set": _CHANGES, "evaluate": _OTHER_IMAGES}.get(parsed_args.command, table)
    return {f"{name}=": table[name].help for name in only}


def _asked(parsed_args: argparse.Namespace) -> Words:
    """Return the settings that a script asks for; nothing for other runs."""
    from tuitrain.runs.catalog.listing import find
    from tuitrain.runs.scripts.folder import ScriptFolder

    with suppress(TuitrainError, OSError):
        folder = find(parsed_args.runs_dir, parsed_args.name)
        if isinstance(folder, ScriptFolder):
            return _printable({f"{name}=": "a setting that the script asks for" for name in folder.asked_settings})
    return {}


def _values(setting: Setting, prefix: str) -> list[str]:
    words = list(setting.choices)
    words += ["true", "false"] if setting.kind is bool else []
    words += ["none"] * setting.optional + ["auto"] * setting.automatic
    if setting.key == "model.name" and prefix.startswith("timm/"):
        return [f"timm/{name}" for name in timm_names()]
    takes_path = setting.kind is str and not setting.is_list and (setting.others or not setting.choices)
    return words + (FilesCompleter()(prefix) if takes_path else [])


def _columns(**_: Any) -> Words:
    from tuitrain.analysis.table.columns import columns

    return {name: column.help for name, column in columns().items()}


def _printable(words: Words) -> Words:
    """Return the words that a shell can show: a name in a folder from elsewhere may contain control characters."""
    return {word: plain(help, 60) for word, help in words.items() if word and plain(word) == word}


_COMPLETERS: dict[str, Callable[..., Words]] = {
    "RUN": _runs,
    "SWEEP": _sweeps,
    "KEY=VALUE": _settings,
    "KEY=VALUE[,VALUE]": _settings,
    "KEY": _columns,
}
