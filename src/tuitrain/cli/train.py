"""`tuitrain train`: a run in this process, followed as a screen would follow it."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tuitrain.cli.output import document, result, score, talk
from tuitrain.cli.progress import Bar
from tuitrain.config.schema import Config
from tuitrain.config.toml import read
from tuitrain.config.values import override
from tuitrain.hosts.launch import Request
from tuitrain.hosts.output import keep_terminal
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.text import plain

POLL = 0.1


def run(options: argparse.Namespace) -> int:
    config, original = read(options.config) if options.config else (Config(), "")
    request = Request(
        config=override(config, options.set),
        runs_dir=options.runs_dir,
        name=options.name,
        original=original,
        command=shlex.join(["tuitrain", *sys.argv[1:]]),
    )
    keep_terminal()
    host = ThreadHost()
    _stop_on_signals(host)
    host.start(request)
    folder = _follow(host)
    if host.error is not None:
        raise host.error
    if folder is None:
        return 130
    state = folder.state()
    if options.json:
        document(result(folder.id, str(folder.path), state))
    _say_result(folder.path, state)
    return {"finished": 0, "stopped": 130}.get(state.status, 1)


def _stop_on_signals(host: ThreadHost) -> None:
    """The first signal stops the run after its step, with a checkpoint; a second SIGINT ends at once."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        talk("stopping after this step, with a checkpoint")
        host.cancel()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _follow(host: ThreadHost) -> RunFolder | None:
    with Bar() as bar:
        while host.folder is None and not host.ended.wait(POLL):
            bar.prepare(host.doing, host.fraction)
        if host.folder is None:
            return None
        follower = Follower(host.folder)
        shown = 0
        bar.say(f"run {host.folder.path}")
        over = False
        while not over:
            # The last look comes after the end, so that nothing is missed.
            over = host.ended.wait(POLL)
            while follower.poll():
                pass
            fresh = list(follower.log)[-(follower.log_lines - shown) :] if follower.log_lines > shown else []
            shown = follower.log_lines
            for line in fresh:
                bar.say(plain(line))
            bar.show(follower.state)
        return host.folder


def _say_result(path: Path, state: State) -> None:
    talk(f"{state.status}: {path}" + (f"\n  {plain(state.reason)}" if state.reason else ""))
    if state.status != "failed":
        talk(f"  train {score(state.train)} · validation {score(state.validation)} · test {score(state.test)}")
    if state.best is not None and state.best.test is not None:
        talk(f"  best validation in epoch {state.best.epoch}, its test {score(state.best.test)}")
    seconds = time.strftime("%H:%M:%S", time.gmtime(state.seconds)) if state.seconds >= 60 else f"{state.seconds:.1f} s"
    talk(f"  {state.step:,} steps in {seconds} · {state.samples_per_second:,.0f} images/s")
