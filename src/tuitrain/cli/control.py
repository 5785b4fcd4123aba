"""`tuitrain stop|pause|checkpoint|set RUN`: a command to a loop that runs."""

import argparse

from tuitrain.cli.output import talk
from tuitrain.config.values import from_text
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.control import CommandName, send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.listing import find
from tuitrain.text import plain

CHANGEABLE: dict[str, CommandName] = {"optimizer.lr": "lr", "training.epochs": "epochs"}


def run(options: argparse.Namespace) -> int:
    folder = running(find(options.runs_dir, options.name))
    changes: list[tuple[CommandName, float | None]] = [_change(text) for text in getattr(options, "changes", [])]
    for name, value in changes or [(options.command, None)]:
        send(folder, name, value)
        talk(f"{name}{'' if value is None else f' {value:g}'}: sent to {plain(folder.id)}")
    return 0


def running(folder: RunFolder) -> RunFolder:
    """The folder itself. Raises RunError where its run does not go on."""
    folder.refuse_foreign()
    status = shown_status(folder.state())
    if status not in ("queued", "running", "paused"):
        raise RunError(f"{plain(folder.id)} does not run: it is {status}.")
    return folder


def _change(text: str) -> tuple[CommandName, float | None]:
    key, _, value = text.partition("=")
    if key not in CHANGEABLE:
        raise ConfigError(
            f"{plain(key, 60)!r} cannot be changed while a run goes on.",
            f"These can: {', '.join(CHANGEABLE)}.",
            key=key,
        )
    return CHANGEABLE[key], from_text(key, value)
