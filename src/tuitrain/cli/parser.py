"""All commands and their options. A command's module is imported only when it runs."""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, get_args

from tuitrain import __version__
from tuitrain.config.schedule import Extension
from tuitrain.text import did_you_mean, plain

Command = Callable[[argparse.Namespace], int]

EPILOG = """\
Without a command, the app opens. First steps:
  tuitrain train                              train on the built-in digits
  tuitrain config > run.toml                  write a commented configuration
  tuitrain train -c run.toml --set optimizer.name=sgd --set optimizer.lr=0.1
  tuitrain runs                               list runs; then: tuitrain show RUN
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"tuitrain: {plain(message)}. See: {self.prog} --help\n")
        raise SystemExit(2)


def _import_later(module: str) -> Command:
    def call(options: argparse.Namespace) -> int:
        run: Command = importlib.import_module(f"tuitrain.cli.commands.{module}").run
        gc.freeze()
        gc.enable()
        return run(options)

    return call


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the options; `run` is the command to call. Exit with status 2 on bad usage."""
    arguments = _join_dashed_values(sys.argv[1:] if arguments is None else arguments)
    for text in arguments:
        # A file name may be any bytes.
        if arguments[0] in ("predict", "explain") and not text.startswith("-"):
            continue
        if text != text.encode(errors="replace").decode():
            sys.stderr.write(f"tuitrain: {plain(text, 60)!r} is not UTF-8 text.\n")
            raise SystemExit(2)
    word = arguments[0] if arguments else "app"
    if word.startswith("-") and word not in ("-h", "--help", "--version"):
        return _build().parse_args(["app", *arguments])
    if not word.startswith("-") and word not in (*COMMANDS, *BACKGROUND):
        hint = did_you_mean(word, COMMANDS) or f"Commands: {', '.join(COMMANDS)}."
        sys.stderr.write(f"tuitrain: unknown command {plain(word, 60)!r}. {hint}\n")
        raise SystemExit(2)
    return _build().parse_args(arguments or ["app"])


def _probability(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a probability from 0 to 1, such as 0.8")


def _positive(text: str) -> int:
    with suppress(ValueError):
        if (value := int(text)) > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")


def _percentage(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text)) <= 100:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a percentage above 0 and up to 100, such as 97.5")


def _join_dashed_values(arguments: list[str]) -> list[str]:
    """Turn `--sort -test` into `--sort=-test`, because argparse would parse `-test` as an option."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] in ("--sort", "--filter") and text.startswith("-") and not text.startswith("--"):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


COMMANDS: dict[str, str] = {
    "app": "open the app (the default)",
    "train": "train a run and print its result",
    "lr-find": "find a learning rate by a range test",
    "sweep": "train a run for each combination of several settings",
    "runs": "list runs",
    "show": "show a run with its confusion matrix",
    "compare": "compare settings and scores of runs, with McNemar's test",
    "export": "export the metrics or weights of a run",
    "evaluate": "evaluate a checkpoint of a run on a split",
    "predict": "classify new pictures with the network of a run",
    "explain": "show what the prediction for an image depends on, and similar training images",
    "attach": "open the live screen of a run, by default of the newest active one",
    "resume": "resume a paused, stopped or interrupted run, or extend a finished one",
    "stop": "stop a run after its current step, with a checkpoint",
    "pause": "pause a run",
    "checkpoint": "save a checkpoint of a run now",
    "set": "change the learning rate or number of epochs of a run",
    "data": "list the data sets by name, with sizes, licences and folders",
    "config": "print a commented TOML file with every setting",
    "cache": "list or clear the cache of decoded images and features",
}


# Internal commands of background processes, whose output is their log.
BACKGROUND = ("work", "sweep-work")


def _build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tuitrain",
        description="Train PyTorch image classifiers from a terminal: configure, watch, leave, come back, compare.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tuitrain {__version__}")
    shared, machine, one_run, trusting, detachable = _shared_options()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, *parents: _Parser, module: str | None = None) -> _Parser:
        command = commands.add_parser(
            name, parents=list(parents), help=COMMANDS[name], description=COMMANDS[name].capitalize() + ".",
            allow_abbrev=False,
        )  # fmt: skip
        command.set_defaults(run=_import_later(module or name))
        return command

    add("app", shared)
    _train(add("train", shared, machine, detachable))
    _settings(add("lr-find", shared, machine, trusting, module="lr_find"))
    _sweep(add("sweep", shared, machine, detachable))
    _runs(add("runs", shared, machine))
    show = add("show", shared, machine, one_run)
    show.add_argument("--layers", action="store_true", help="include what each layer did when it was last measured")
    show.add_argument("--metrics", action="store_true", help="print the metrics, such as macro-F1, with intervals")
    _compare(add("compare", shared, machine))
    _evaluate(add("evaluate", shared, machine, one_run, trusting))
    _predict(add("predict", shared, one_run, trusting))
    _explain(add("explain", shared, machine, one_run, trusting))
    _export(add("export", shared, machine, one_run, trusting))
    add("attach", shared, module="app").add_argument("name", metavar="RUN", nargs="?", help="id, part of an id or name")
    _resume(add("resume", shared, machine, one_run, detachable))
    for name in ("stop", "pause", "checkpoint"):
        add(name, shared, one_run, module="control")
    change = add("set", shared, one_run, module="control")
    change.add_argument("changes", nargs="+", metavar="KEY=VALUE", help="optimizer.lr=0.01, training.epochs=20")
    _background_processes(commands)
    add("data", machine).add_argument("dir", metavar="DIR", nargs="?", help="folder to search, as data.dir")
    add("config", machine)
    cache = add("cache", machine)
    cache.add_argument("action", choices=["clear"], nargs="?", help="remove files; without it, list them")
    cache.add_argument("names", nargs="*", metavar="NAME", help="files to remove (default: all)")
    return parser


def _shared_options() -> tuple[_Parser, _Parser, _Parser, _Parser, _Parser]:
    """Return the options that several commands share: the runs folder, --json, RUN, --trust, and --detach."""
    shared = _Parser(add_help=False)
    shared.add_argument(
        "--runs-dir", type=Path, metavar="D", default=Path(os.environ.get("TUITRAIN_RUNS", "runs")),
        help="runs folder (default: $TUITRAIN_RUNS, else runs)",
    )  # fmt: skip
    machine = _Parser(add_help=False)
    machine.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    one_run = _Parser(add_help=False)
    one_run.add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    trusting = _Parser(add_help=False)
    trusting.add_argument(
        "--trust", action="store_true", help="allow the code of a FILE, RUN or SWEEP that you have not allowed yet"
    )
    detachable = _Parser(add_help=False, parents=[trusting])
    detachable.add_argument("--detach", action="store_true", help="train in the background and return at once")
    return shared, machine, one_run, trusting, detachable


def _settings(command: _Parser) -> None:
    command.add_argument("-c", "--config", type=Path, metavar="FILE", help="read settings from a TOML file")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set one setting")


def _train(train: _Parser) -> None:
    _settings(train)
    train.add_argument("--name", default="", metavar="NAME", help="name of the run")


def _runs(runs: _Parser) -> None:
    runs.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="folder of runs")
    runs.add_argument("--filter", metavar="Q", default="", help="list only matching runs, such as 'lr<0.01 test>95%%'")
    runs.add_argument("--sort", metavar="KEY", default="", help="sort by a column, such as test or lr; -lr: descending")
    runs.add_argument("--columns", metavar="KEY,KEY", default="", help="show these columns, such as lr,test,macro-f1")


def _sweep(sweep: _Parser) -> None:
    sweep.add_argument("name", metavar="SWEEP", nargs="?", help="sweep to resume: id, part of an id, name or folder")
    sweep.add_argument("-c", "--config", type=Path, metavar="FILE", help="read settings and [sweep] from a TOML file")
    sweep.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE[,VALUE]",
        help="change a setting, or vary it over several values; for an existing SWEEP only sweep.KEY",
    )  # fmt: skip
    sweep.add_argument(
        "--add", nargs="+", action="append", default=[], metavar="KEY=VALUE", help="add a trial, also to a SWEEP"
    )
    sweep.add_argument("--trials", type=int, metavar="N", help="number of sampled trials; may be increased for a SWEEP")
    sweep.add_argument("--seeds", type=int, metavar="N", help="runs per trial; may be increased for a SWEEP")
    sweep.add_argument("--parallel", metavar="N", help="concurrent runs per device")
    # The `code_key` of allowed code, for a background process.
    sweep.add_argument("--allowed", default="", help=argparse.SUPPRESS)
    control = sweep.add_mutually_exclusive_group()
    control.add_argument("--first", type=int, nargs="+", metavar="TRIAL", help="move trials of SWEEP to the front")
    control.add_argument("--show", dest="say", action="store_const", const="show", help="print the progress of SWEEP")
    for word, help in (
        ("pause", "start no further runs of SWEEP"),
        ("resume", "start runs of SWEEP again"),
        ("stop", "save the running runs of SWEEP and stop"),
    ):
        control.add_argument(f"--{word}", dest="say", action="store_const", const=word, help=help)


def _compare(compare: _Parser) -> None:
    compare.add_argument("names", nargs="+", metavar="RUN", help="at least two runs; the first is the baseline")
    compare.add_argument(
        "--format", choices=["table", "markdown", "csv"], default="table", help="output format (default: table)"
    )
    compare.add_argument("--all", action="store_true", help="include settings that do not differ")
    compare.add_argument("--reach", type=_percentage, metavar="PERCENT", help="validation accuracy to reach")


def _evaluate(evaluate: _Parser) -> None:
    evaluate.add_argument(
        "--split", choices=["test", "validation"], default="test", help="split to evaluate (default: test)"
    )
    evaluate.add_argument(
        "--checkpoint", choices=["last", "best"], default="last", help="checkpoint to evaluate (default: last)"
    )
    evaluate.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="evaluate other images: data.dir, data.labels"
    )
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")


def _predict(predict: _Parser) -> None:
    predict.add_argument(
        "paths", nargs="+", metavar="PATH", help="picture, folder of pictures, or - to read paths from standard input"
    )
    predict.add_argument("--top", type=_positive, default=3, metavar="K", help="classes per picture (default: 3)")
    predict.add_argument(
        "--threshold", type=_probability, default=0.0, metavar="P", help="give no class if its probability is below P"
    )
    predict.add_argument(
        "--tta", action="store_true", help="average over mirror images and, for photos, crops of the corners"
    )
    predict.add_argument("--checkpoint", choices=["last", "best"], default="last", help="weights (default: last)")
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    predict.add_argument(
        "-0", "--null", action="store_true", help="paths on standard input end with NUL, as find -print0 writes them"
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    form.add_argument("--csv", action="store_true", help="print CSV to stdout")


def _explain(explain: _Parser) -> None:
    explain.add_argument("images", nargs="+", metavar="PATH|INDEX", help="picture, or index of an image in the split")
    explain.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="PNG file, or folder (default: explain-NAME.png)"
    )
    explain.add_argument("--class", dest="of", metavar="NAME", help="class to explain (default: the predicted one)")
    explain.add_argument(
        "--split", choices=["test", "validation", "training"], default="test", help="split of INDEX (default: test)"
    )
    explain.add_argument(
        "--nearest", type=int, choices=range(51), default=8, metavar="K", help="similar images to list (default: 8)"
    )
    explain.add_argument("--checkpoint", choices=["last", "best"], default="last", help="default: last")
    explain.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    explain.add_argument("--force", action="store_true", help="overwrite existing files")


def _export(export: _Parser) -> None:
    export.add_argument(
        "--format", choices=["csv", "tensorboard", "safetensors", "onnx", "torch-export"], required=True,
        help="csv and tensorboard export metrics, safetensors the weights, onnx and torch-export the network",
    )  # fmt: skip
    export.add_argument(
        "-o", "--output", metavar="PATH",
        help="output file, or folder for tensorboard; FOLDER/ writes a network, its description and a model card there",
    )  # fmt: skip
    export.add_argument(
        "--input", choices=["normalized", "unit", "uint8"], default="normalized",
        help="values of the network's input: normalized (default), unit (0 to 1) or uint8, which it then normalizes",
    )  # fmt: skip
    export.add_argument("--card", action="store_true", help="write a model card (.md) beside the file")
    export.add_argument("--checkpoint", choices=["last", "best"], default="last", help="default: last")
    export.add_argument("--force", action="store_true", help="overwrite existing files")


def _resume(resume: _Parser) -> None:
    resume.add_argument("--epochs", metavar="N", default="", help="total number of epochs, or +N for N more")
    resume.add_argument(
        "--schedule", choices=get_args(Extension),
        help="with --epochs: stretch the learning-rate schedule over all epochs (default), hold its last rate, or begin"
        " a new cycle",
    )  # fmt: skip
    resume.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="change where the run finds its images (data.dir) or trains (training.device)",
    )  # fmt: skip


def _background_processes(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """Add the internal commands that background processes run; the help does not show them."""
    work = commands.add_parser("work", add_help=False)
    work.add_argument("path", type=Path)
    work.add_argument("--epochs", type=int)
    work.add_argument("--schedule", default="stretch")
    work.add_argument("--since", type=int)
    work.add_argument("--after", type=Path)
    work.add_argument("--allowed", default="")
    work.set_defaults(run=_import_later("work"))
    worker = commands.add_parser("sweep-work", add_help=False)
    worker.add_argument("path", type=Path)
    worker.add_argument("--device", default="")
    worker.add_argument("--threads", type=int)
    worker.add_argument("--until", type=float)
    worker.add_argument("--stack", type=int, default=1)
    worker.add_argument("--allowed", default="")
    worker.set_defaults(run=_import_later("sweep_work"))
