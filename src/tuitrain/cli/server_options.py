"""The options of the commands about the server: runs on several machines, the cache, the shell, alerts."""

import argparse
from pathlib import Path

from tuitrain.cli.options import Parser


def add_join(join: Parser) -> None:
    join.add_argument("--at", metavar="HOST:PORT", required=True, help="the leading machine, from the log of the run")
    join.add_argument("--allowed", default="", help=argparse.SUPPRESS)


def add_cache(cache: Parser) -> None:
    cache.add_argument("action", choices=["clear"], nargs="?", help="remove files; without it, list them")
    cache.add_argument("names", nargs="*", metavar="NAME", help="files to remove (default: all)")


def add_completion(completion: Parser) -> None:
    completion.add_argument("shell", choices=["bash", "zsh", "fish"], nargs="?", help="shell (default: yours)")
    completion.add_argument("--print", dest="print_only", action="store_true", help="print the script, install nothing")


def add_notify(notify: Parser) -> None:
    notify.add_argument("action", choices=["list", "add", "remove"], nargs="?", default="list", help="default: list")
    notify.add_argument("value", metavar="URL|N", nargs="?", help="for add, an address; for remove, its number")
    notify.add_argument("--test", action="store_true", help="send a test alert to all addresses")


def add_watch(watch: Parser) -> None:
    watch.add_argument(
        "folder", type=Path, metavar="FOLDER", nargs="?", help="folder of runs (default: the runs folder)"
    )
    group = watch.add_mutually_exclusive_group()
    group.add_argument("--detach", action="store_true", help="watch in the background")
    group.add_argument("--stop", action="store_true", help="end the watcher of the folder")
