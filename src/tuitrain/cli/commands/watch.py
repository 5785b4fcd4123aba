"""`tuitrain watch`: send alerts about the runs of a folder, whoever trains them."""

import argparse
import signal
import time
from types import FrameType

from tuitrain.cli.output import print_message
from tuitrain.hosts.alerts.addresses import load_addresses
from tuitrain.hosts.alerts.service import stop_watching, watch, watch_command, watch_in_background
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folder = options.folder or options.runs_dir
    if options.stop:
        stop_watching(folder)
        print_message(f"stop: sent to the watcher of {plain(folder)}")
        return 0
    if not load_addresses():
        print_message("There are no addresses: alerts are only printed. Add one: tuitrain notify add ntfy://TOPIC")
    if options.detach:
        watch_in_background(folder)
        print_message(f"Watching {plain(folder)} in the background. Stop it: {watch_command(folder, '--stop')}")
        return 0
    stopped = _handle_interrupt()
    print_message(f"Watching {plain(folder)}; ctrl+c ends it.")
    watch(folder, lambda line: print_message(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}"), lambda: bool(stopped))
    return 0


def _handle_interrupt() -> list[int]:
    """Return a list that receives the signal by which the user ends the watcher."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stopped.append(number)

    signal.signal(signal.SIGINT, stop)
    return stopped
