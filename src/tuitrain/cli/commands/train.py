"""`tuitrain train`: train a run in this process and print its progress and result."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import FrameType

from tuitrain.analysis import units
from tuitrain.cli.output import format_scores, print_json, print_message
from tuitrain.cli.verdict_output import verdict_document
from tuitrain.config.code import CODE_KEYS, Code, code_of
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Values
from tuitrain.config.toml import read
from tuitrain.config.values import override, split_assignment
from tuitrain.errors import ConfigError
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.distributed.followed import host_for
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.queue.enqueue import enqueue
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import check, config_code, file_origin
from tuitrain.runs.catalog.result import result
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.queue import QueueFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import is_detail
from tuitrain.text import counted, plain

POLL = 0.1


def run(options: argparse.Namespace) -> int:
    config, original = given_config(options)
    check_queueing(options)
    if config.training.folds is not None:
        from tuitrain.cli.commands.folds import cross_validate

        return cross_validate(options, config)
    spec = RunSpec(
        config=config,
        runs_dir=options.runs_dir,
        name=options.name,
        original=original,
        command=shlex.join(["tuitrain", *sys.argv[1:]]),
    )
    if options.queue:
        return report_queued_run(enqueue(spec, options.priority or 0), options.json)
    if options.detach:
        return report_background_run(start_in_background(spec), options.json)
    host = host_for(config)
    return follow(host, lambda: host.start(spec), options.json)


def given_config(options: argparse.Namespace) -> tuple[Config, str]:
    """Return the configuration of -c and --set, whose code the user has typed or allowed, and the text of the file.
    Raise TrustError and ConfigError."""
    given, original = read(options.config) if options.config else (Config(), "")
    config = override(given, options.set)
    check_file(options, config_code(config))
    return config, original


def check_file(options: argparse.Namespace, code: Sequence[Code], trials: Sequence[Values] = ()) -> None:
    """Print the code of a run or sweep. Raise TrustError if the user has neither typed it, in --set or `trials`, nor
    allowed it in the file of settings."""
    if options.config:
        assignments = [(key, text) for key, text in map(split_assignment, options.set) if key in CODE_KEYS]
        texts = [{key: part} for key, text in assignments for part in (text, *map(str.strip, text.split(",")))]
        typed = [item for values in (*texts, *trials) for item in code_of(values)]
        check(file_origin(options.config), [item for item in code if item not in typed], trust=options.trust)
    for line in code:
        print_message(str(line))


def check_queueing(options: argparse.Namespace) -> None:
    """Raise ConfigError if --queue or --priority contradicts another option."""
    if options.priority is not None and not options.queue:
        raise ConfigError("--priority needs --queue.", "For a run that waits already: tuitrain queue priority RUN N")
    if options.queue and options.detach:
        raise ConfigError("--queue and --detach cannot be combined.", "With --queue, the run waits for a free device.")


def report_queued_run(folder: RunFolder, json: bool) -> int:
    print_message(f"The run waits in the queue. {describe_queue(folder.path.parent)}")
    return print_queued_run(folder, json)


def describe_queue(runs_dir: Path) -> str:
    """Say whether a queue will start the waiting runs of a folder."""
    running = QueueFolder(runs_dir).sessions()
    return "See: tuitrain queue list" if running else "No queue is running; start it with: tuitrain queue --detach"


def report_background_run(folder: RunFolder, json: bool) -> int:
    print_message(f"The run trains in the background. Watch it: tuitrain attach {plain(folder.id)}")
    return print_queued_run(folder, json)


def print_queued_run(folder: RunFolder, json: bool) -> int:
    if json:
        print_json({"run": folder.id, "path": str(folder.path), "status": "queued"})
    else:
        sys.stdout.write(f"{folder.id}\n")
    return 0


def follow(host: ThreadHost, start: Callable[[], None], json: bool, log_from: int = 0) -> int:
    """Start a run, follow it to its end and return the exit status. Print its log from byte `log_from`."""
    _handle_signals(host)
    start()
    try:
        folder = _watch(host, log_from)
    except BaseException:
        # This process cannot exit before its training thread ends.
        host.detach()
        raise
    if host.error is not None:
        raise host.error
    if folder is None:
        print_message("No run was created.")
        return 130
    state = folder.state()
    if state.active:
        return report_background_run(folder, json)
    _print_result(folder.path, state)
    if json:
        print_json(result(folder, state) | {"verdict": verdict_document(folder)})
    return {"finished": 0, "stopped": 130}.get(state.status, 1)


def _handle_signals(host: ThreadHost) -> None:
    """Stop the run on SIGINT and SIGTERM, exit at once on a second SIGINT, and move to the background on SIGHUP."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        host.cancel()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The stream may be in the middle of a write when the signal arrives.
        with suppress(OSError, ValueError, AttributeError):
            os.write(sys.__stderr__.fileno(), b"stopping after this step, with a checkpoint\n")  # type: ignore[union-attr]

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, lambda number, frame: host.detach())  # noqa: ARG005


def _watch(host: ThreadHost, log_from: int) -> RunFolder | None:
    # Imports Rich, which `--detach` does not need.
    from tuitrain.cli.progress import RunProgress

    with RunProgress() as bar:
        while host.folder is None and not host.ended.wait(POLL):
            bar.prepare(host.activity, host.fraction)
        if host.folder is None:
            return None
        follower = Follower(host.folder, metrics=False, log_from=log_from)
        shown = 0
        bar.print(f"run {plain(host.folder.path, 1000)}")
        ended = False
        while not ended:
            # Poll once more after the end, so that nothing is missed.
            ended = host.ended.wait(POLL)
            while follower.poll():
                pass
            first_new = max(0, len(follower.log) - (follower.log_lines - shown))
            shown = follower.log_lines
            for line in islice(follower.log, first_new, None):
                if not is_detail(line):
                    bar.print(plain(line))
            bar.show(follower.state)
        return host.folder


def _print_result(path: Path, state: State) -> None:
    print_message(f"{state.status}: {plain(path, 1000)}" + (f"\n  {plain(state.reason)}" if state.reason else ""))
    if state.status != "failed":
        for line in format_scores(state):
            print_message(f"  {line}")
    speed = f"{state.samples_per_second:,.0f} images/s"
    print_message(f"  {counted(state.step, 'step')} in {units.duration(state.seconds)} · {speed}")
