"""Every command with its options. What a command does is imported once it is asked for."""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tuitrain import __version__
from tuitrain.text import did_you_mean, plain

Command = Callable[[argparse.Namespace], int]

EPILOG = """\
Without a command, the app opens. Start here:
  tuitrain train                              train on the digits that are built in
  tuitrain config > run.toml                  all settings, commented, to start from
  tuitrain train -c run.toml --set optimizer.name=sgd --set optimizer.lr=0.1
  tuitrain runs                               what there is; then: tuitrain show RUN
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"tuitrain: {plain(message)}. See: {self.prog} --help\n")
        raise SystemExit(2)


def _later(module: str) -> Command:
    def call(options: argparse.Namespace) -> int:
        run: Command = importlib.import_module(f"tuitrain.cli.{module}").run
        gc.freeze()
        gc.enable()
        return run(options)

    return call


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, with the command to call as `run`. Leaves with status 2 where they make no sense."""
    arguments = _joined(sys.argv[1:] if arguments is None else arguments)
    for text in arguments:
        if not text.isascii() and text != text.encode(errors="replace").decode():
            sys.stderr.write(f"tuitrain: {plain(text, 60)!r} is not UTF-8 text.\n")
            raise SystemExit(2)
    word = arguments[0] if arguments else "app"
    if word.startswith("-") and word not in ("-h", "--help", "--version"):
        return _build().parse_args(["app", *arguments])
    if not word.startswith("-") and word not in (*COMMANDS, "work", "sweep-work"):
        hint = did_you_mean(word, COMMANDS) or f"The commands are {', '.join(COMMANDS)}."
        sys.stderr.write(f"tuitrain: there is no command {plain(word, 60)!r}. {hint}\n")
        raise SystemExit(2)
    return _build().parse_args(arguments or ["app"])


def _percentage(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and up to 100")
    return value


def _joined(arguments: list[str]) -> list[str]:
    """`--sort -test` as `--sort=-test`: argparse takes what begins with a dash for an option."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] in ("--sort", "--filter") and text.startswith("-") and not text.startswith("--"):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


COMMANDS: dict[str, str] = {
    "app": "open the app, as tuitrain alone does",
    "train": "train a run and print its result",
    "sweep": "train a run for each combination of several settings, or go on with such a sweep",
    "runs": "list runs",
    "show": "show a run with its confusion matrix",
    "compare": "compare runs: what differs, what came of it, and whether that is more than chance",
    "export": "write a run's rows or its weights for other programs",
    "evaluate": "look at a split with a checkpoint of a run",
    "attach": "open the app at a run, the newest that goes on where none is named",
    "resume": "let a paused run go on, or train on one that was interrupted or stopped, or has more epochs to do",
    "stop": "stop a running run after its step, with a checkpoint",
    "pause": "hold a running run",
    "checkpoint": "have a running run save a checkpoint now",
    "set": "change the learning rate or the epochs of a running run",
    "config": "print a commented TOML file with every setting",
}


def _build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tuitrain",
        description="Train PyTorch image classifiers from a terminal: configure, watch, leave, come back, compare.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tuitrain {__version__}")
    shared = _Parser(add_help=False)
    shared.add_argument(
        "--runs-dir", type=Path, metavar="D", default=Path(os.environ.get("TUITRAIN_RUNS", "runs")),
        help="folder of the runs (default: $TUITRAIN_RUNS, else runs)",
    )  # fmt: skip
    machine = _Parser(add_help=False)
    machine.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, *parents: _Parser, module: str | None = None) -> _Parser:
        command = commands.add_parser(
            name, parents=list(parents), help=COMMANDS[name], description=COMMANDS[name].capitalize() + ".",
            allow_abbrev=False,
        )  # fmt: skip
        command.set_defaults(run=_later(module or name))
        return command

    add("app", shared)
    train = add("train", shared, machine)
    train.add_argument("-c", "--config", type=Path, metavar="FILE", help="TOML file with settings")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; see tuitrain config")
    train.add_argument("--name", default="", metavar="N", help="name of the run")
    train.add_argument("--detach", action="store_true", help="train in a process of its own, and return at once")
    _sweep(add("sweep", shared, machine))
    runs = add("runs", shared, machine)
    runs.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="of tuitrain's or another tool's runs")
    runs.add_argument("--filter", metavar="Q", default="", help="only runs that fit, such as 'lr<0.01 test>95%%'")
    runs.add_argument("--sort", metavar="KEY", default="", help="by a column: test, lr, time ...; -test or test:desc")
    add("show", shared, machine).add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    compare = add("compare", shared, machine)
    compare.add_argument("names", nargs="+", metavar="RUN", help="two runs or more; the first is the baseline")
    compare.add_argument("--format", choices=["table", "markdown", "csv"], default="table")
    compare.add_argument("--all", action="store_true", help="all settings, not only those that differ")
    compare.add_argument("--reach", type=_percentage, metavar="P", help="validation accuracy to look for, in per cent")
    evaluate = add("evaluate", shared, machine)
    evaluate.add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    evaluate.add_argument("--split", choices=["test", "validation"], default="test")
    evaluate.add_argument("--checkpoint", choices=["last", "best"], default="last")
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    export = add("export", shared, machine)
    export.add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    export.add_argument(
        "--format", choices=["csv", "tensorboard", "safetensors", "onnx"], required=True,
        help="csv, tensorboard: the rows; safetensors, onnx: the weights",
    )  # fmt: skip
    export.add_argument("-o", "--output", type=Path, metavar="PATH", help="file, for tensorboard a folder")
    export.add_argument("--checkpoint", choices=["last", "best"], default="last", help="whose weights (default: last)")
    export.add_argument("--force", action="store_true", help="replace what is there")
    add("attach", shared, module="app").add_argument("name", metavar="RUN", nargs="?", help="id, part of an id or name")
    resume = add("resume", shared, machine)
    resume.add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    resume.add_argument("--epochs", metavar="N", default="", help="epochs in all, or +N for so many more")
    resume.add_argument("--detach", action="store_true", help="train in a process of its own, and return at once")
    for name in ("stop", "pause", "checkpoint"):
        add(name, shared, module="control").add_argument("name", metavar="RUN", help="id, part of an id or name")
    change = add("set", shared, module="control")
    change.add_argument("name", metavar="RUN", help="id, part of an id or name")
    change.add_argument("changes", nargs="+", metavar="KEY=VALUE", help="optimizer.lr=0.01, training.epochs=20")
    # What a process of its own is started with; not for people, and so without a word in the help.
    work = commands.add_parser("work", add_help=False)
    work.add_argument("path", type=Path)
    work.add_argument("--epochs", type=int)
    work.add_argument("--since", type=int)
    work.set_defaults(run=_later("work"))
    worker = commands.add_parser("sweep-work", add_help=False)
    worker.add_argument("path", type=Path)
    worker.add_argument("--device", default="")
    worker.add_argument("--threads", type=int)
    worker.add_argument("--until", type=float)
    worker.add_argument("--stack", type=int, default=1)
    worker.set_defaults(run=_later("sweep_work"))
    add("config", machine)
    return parser


def _sweep(sweep: _Parser) -> None:
    sweep.add_argument(
        "name", metavar="SWEEP", nargs="?", help="a sweep to go on with: id, part of an id, name, folder"
    )
    sweep.add_argument("-c", "--config", type=Path, metavar="FILE", help="TOML file of a run, with [sweep] sections")
    sweep.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE[,VALUE]",
        help="a setting; several values: it varies; of a SWEEP only sweep.KEY",
    )  # fmt: skip
    sweep.add_argument(
        "--add", nargs="+", action="append", default=[], metavar="KEY=VALUE", help="a trial besides, also of a SWEEP"
    )
    sweep.add_argument("--trials", type=int, metavar="N", help="trials by random or tpe; more of them for a SWEEP")
    sweep.add_argument("--seeds", type=int, metavar="N", help="runs a trial; more of them for a SWEEP")
    sweep.add_argument("--parallel", metavar="N", help="runs at a time, on each device")
    sweep.add_argument("--detach", action="store_true", help="work in a process of its own, and return at once")
    say = sweep.add_mutually_exclusive_group()
    say.add_argument("--first", type=int, nargs="+", metavar="TRIAL", help="have SWEEP do these trials first")
    say.add_argument(
        "--show", dest="say", action="store_const", const="show", help="print how far SWEEP is, and begin nothing"
    )
    for word, text in (("pause", "begin no further runs"), ("resume", "begin runs again"), ("stop", "save, and end")):
        say.add_argument(f"--{word}", dest="say", action="store_const", const=word, help=f"have SWEEP {text}")
