"""`tuitrain stop|pause|checkpoint|set RUN`: send a command to an active run."""

import argparse

from tuitrain.cli.output import print_message
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.slurm.stop import in_slurm
from tuitrain.hosts.slurm.stop import stop as stop_job
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.control import KEYS, CommandName, accepted, ask, ask_script, send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.scripts.commands import parse_assignment
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.waiting import in_queue
from tuitrain.runs.waiting import stop as stop_waiting
from tuitrain.text import plain

CHANGEABLE = {key: name for name, key in KEYS.items()}


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    folder.check_editable()
    state = folder.state()
    status = shown_status(state)
    if status not in ACTIVE:
        raise RunError(f"{plain(folder.id)} is not active: it is {status}.")
    if in_queue(state):
        return _stop_waiting(folder, options.command)
    if options.command == "stop" and in_slurm(folder):
        print_message(f"stop: {plain(folder.id)}: {stop_job(folder)}")
        return 0
    if isinstance(folder, ScriptFolder):
        return _control_script(folder, options)
    if options.command != "set":
        send(folder, options.command)
        print_message(f"{options.command}: sent to {plain(folder.id)}")
        return 0
    changes = [_parse_change(text, state.begun) for text in options.changes]
    for name, value in changes:
        answer = ask(folder, name, value)
        if answer is not None and answer.name == "refused":
            raise RunError(plain(answer.detail))
        print_message(f"{name} {value:g}: {'sent to' if answer is None else 'applied by'} {plain(folder.id)}")
    return 0


def _control_script(folder: ScriptFolder, options: argparse.Namespace) -> int:
    """Stop the script of a run, or change its settings; raise RunError for any other command."""
    name = plain(folder.id)
    if options.command not in ("stop", "set"):
        raise RunError(f"{options.command} is not possible: {name} is the run of a script.", "Stop it, or set a value.")
    if options.command == "stop":
        if reason := folder.refusal("stop"):
            raise RunError(f"{name} cannot be stopped: {reason}.", "Interrupt the script itself.")
        send(folder, "stop")
        print_message(f"stop: sent to {name}")
        return 0
    for key, value in [parse_assignment(folder, text) for text in options.changes]:
        answer = ask_script(folder, key, value)
        if answer is not None and answer.name == "refused":
            raise RunError(f"Refused: {plain(answer.detail)}.")
        print_message(f"{plain(key)} {plain(value)}: {'sent to' if answer is None else 'applied by'} {name}")
    return 0


def _stop_waiting(folder: RunFolder, command: str) -> int:
    """Take a run out of the queue; raise RunError for any other command."""
    if command != "stop":
        raise RunError(f"{plain(folder.id)} waits in the queue.", "Only stop is possible, or: tuitrain queue hold RUN")
    stop_waiting(folder)
    print_message(f"stop: {plain(folder.id)} no longer waits in the queue")
    return 0


def _parse_change(text: str, begun: int) -> tuple[CommandName, float]:
    key, _, value = text.partition("=")
    if key not in CHANGEABLE:
        raise ConfigError(
            f"{plain(key, 60)!r} cannot be changed during a run.",
            f"Allowed: {', '.join(CHANGEABLE)}.",
            key=key,
        )
    name = CHANGEABLE[key]
    return name, accepted(name, parse_value(key, value), begun)
