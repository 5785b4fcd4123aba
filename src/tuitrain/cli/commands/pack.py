"""`tuitrain pack`: pack a configuration for a machine without a network."""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tuitrain.cli.output import print_json, print_message, progress
from tuitrain.config.schema import Config
from tuitrain.config.toml import read
from tuitrain.config.values import override
from tuitrain.hosts.pack.pack import Packed, PackSpec, describe, pack
from tuitrain.hosts.pack.target import Target
from tuitrain.text import plain, size


def run(options: argparse.Namespace) -> int:
    config, original = read(options.config) if options.config else (Config(), "")
    spec = PackSpec(
        config=override(config, options.set),
        runs_dir=options.runs_dir,
        path=options.output,
        target=Target.of(options.python, options.arch),
        original=original,
        without_torch=options.without_torch,
        force=options.force,
    )
    with _interruptible(), progress() as show:
        packed = pack(spec, show)
    if options.json:
        print_json(_document(packed))
        return 0
    for line in describe(packed):
        print_message(line)
    needs = f"Python {packed.target.python}, glibc 2.{packed.glibc} or newer, {packed.target.arch}"
    print_message(f"{size(packed.bytes)} for a server with {needs}. Install it there:")
    file, folder = shlex.quote(plain(packed.path.name)), shlex.quote(plain(packed.path.stem))
    print_message(f"    mkdir -p {folder} && tar xf {file} -C {folder} && sh {folder}/install.sh")
    sys.stdout.write(f"{packed.path}\n")
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Remove the unfinished bundle also on SIGTERM and SIGHUP, as on ctrl+c."""
    signals = signal.SIGTERM, signal.SIGHUP
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _document(packed: Packed) -> dict[str, object]:
    return {
        "path": str(packed.path.absolute()),
        "bytes": packed.bytes,
        "python": packed.target.python,
        "arch": packed.target.arch,
        "glibc": f"2.{packed.glibc}",
        "packed": [{"name": name, "bytes": amount} for name, amount in packed.parts],
        "not_packed": list(packed.notes),
    }
