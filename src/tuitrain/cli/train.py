"""`tuitrain train`: a run in this process, followed as a screen would follow it."""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from tuitrain.cli.output import document, scores, talk
from tuitrain.config.schema import Config
from tuitrain.config.toml import read
from tuitrain.config.values import override
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.catalog.result import result
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.runs.writer import is_detail
from tuitrain.text import plain

POLL = 0.1


def run(options: argparse.Namespace) -> int:
    config, original = read(options.config) if options.config else (Config(), "")
    spec = RunSpec(
        config=override(config, options.set),
        runs_dir=options.runs_dir,
        name=options.name,
        original=original,
        command=shlex.join(["tuitrain", *sys.argv[1:]]),
    )
    if options.detach:
        return queued(start_in_background(spec), options.json)
    host = ThreadHost()
    return follow(host, lambda: host.start(spec), options.json)


def queued(folder: RunFolder, json: bool) -> int:
    """Say which run it is that a process of its own trains now."""
    talk(f"It trains in the background. Watch it: tuitrain attach {plain(folder.id)}")
    if json:
        document({"run": folder.id, "path": str(folder.path), "status": "queued"})
    else:
        sys.stdout.write(f"{folder.id}\n")
    return 0


def follow(host: ThreadHost, begin: Callable[[], None], json: bool, known: int = 0) -> int:
    """Begin a run and stay with it to its end; the exit status says how that was. Its log is told from the byte `known`
    on."""
    _listen(host)
    begin()
    try:
        folder = _watch(host, known)
    except BaseException:
        # This process cannot end before its training thread does.
        host.detach()
        raise
    if host.error is not None:
        raise host.error
    if folder is None:
        return 130
    state = folder.state()
    if state.active:
        return queued(folder, json)
    _say_result(folder.path, state)
    if json:
        document(result(folder, state))
    return {"finished": 0, "stopped": 130}.get(state.status, 1)


def _listen(host: ThreadHost) -> None:
    """SIGINT and SIGTERM stop the run after its step, with a checkpoint, and a second SIGINT ends at once; where the
    terminal has gone, the run goes on in the background."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        host.cancel()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Not by the stream: the signal may have come in the midst of writing to it.
        with suppress(OSError, ValueError, AttributeError):
            os.write(sys.__stderr__.fileno(), b"stopping after this step, with a checkpoint\n")  # type: ignore[union-attr]

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, lambda number, frame: host.detach())  # noqa: ARG005


def _watch(host: ThreadHost, known: int) -> RunFolder | None:
    # Rich, without which a run in the background is there sooner.
    from tuitrain.cli.progress import Bar

    with Bar() as bar:
        while host.folder is None and not host.ended.wait(POLL):
            bar.prepare(host.activity, host.fraction)
        if host.folder is None:
            return None
        follower = Follower(host.folder, log_from=known)
        shown = 0
        bar.say(f"run {plain(host.folder.path, 1000)}")
        over = False
        while not over:
            # The last look comes after the end, so that nothing is missed.
            over = host.ended.wait(POLL)
            while follower.poll():
                pass
            fresh = list(follower.log)[-(follower.log_lines - shown) :] if follower.log_lines > shown else []
            shown = follower.log_lines
            for line in fresh:
                if not is_detail(line):
                    bar.say(plain(line))
            bar.show(follower.state)
        return host.folder


def _say_result(path: Path, state: State) -> None:
    talk(f"{state.status}: {plain(path, 1000)}" + (f"\n  {plain(state.reason)}" if state.reason else ""))
    if state.status != "failed":
        for line in scores(state):
            talk(f"  {line}")
    seconds = time.strftime("%H:%M:%S", time.gmtime(state.seconds)) if state.seconds >= 60 else f"{state.seconds:.1f} s"
    talk(f"  {state.step:,} steps in {seconds} · {state.samples_per_second:,.0f} images/s")
