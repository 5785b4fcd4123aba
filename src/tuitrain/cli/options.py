"""The options of each command."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, get_args

from tuitrain.config.schedule import Extension
from tuitrain.runs.records import HIGHEST_PRIORITY
from tuitrain.text import plain


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"tuitrain: {plain(message)}. See: {self.prog} --help\n")
        raise SystemExit(2)


def probability(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a probability from 0 to 1, such as 0.8")


def positive(text: str) -> int:
    with suppress(ValueError):
        if (value := int(text)) > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")


def priority(text: str) -> int:
    with suppress(ValueError):
        if abs(value := int(text)) <= HIGHEST_PRIORITY:
            return value
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a priority: give a whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
    )


def percentage(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text)) <= 100:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a percentage above 0 and up to 100, such as 97.5")


def shared_options() -> tuple[Parser, Parser, Parser, Parser, Parser]:
    """Return the options that several commands share: the runs folder, --json, RUN, --trust, and --detach."""
    shared = Parser(add_help=False)
    shared.add_argument(
        "--runs-dir", type=Path, metavar="D", default=Path(os.environ.get("TUITRAIN_RUNS", "runs")),
        help="runs folder (default: $TUITRAIN_RUNS, else runs)",
    )  # fmt: skip
    machine = Parser(add_help=False)
    machine.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    one_run = Parser(add_help=False)
    one_run.add_argument("name", metavar="RUN", help="id, part of an id, name or folder")
    trusting = Parser(add_help=False)
    trusting.add_argument(
        "--trust", action="store_true", help="allow the code of a FILE, RUN or SWEEP that you have not allowed yet"
    )
    detachable = Parser(add_help=False, parents=[trusting])
    detachable.add_argument("--detach", action="store_true", help="train in the background and return at once")
    return shared, machine, one_run, trusting, detachable


def add_settings(command: Parser) -> None:
    command.add_argument("-c", "--config", type=Path, metavar="FILE", help="read settings from a TOML file")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set one setting")


def add_train(train: Parser) -> None:
    _add_new_run(train)
    add_queueing(train)


def _add_new_run(command: Parser) -> None:
    add_settings(command)
    command.add_argument("--name", default="", metavar="NAME", help="name of the run")


def add_queueing(command: Parser) -> None:
    command.add_argument("--queue", action="store_true", help="wait in the queue of the runs folder: tuitrain queue")
    command.add_argument(
        "--priority", type=priority, metavar="N", help="with --queue: higher numbers start first (default: 0)"
    )


def add_queue(queue: Parser) -> None:
    queue.add_argument(
        "action", choices=["list", "hold", "release", "cancel", "priority", "stop"], nargs="?",
        help="list the waiting runs; hold, release or cancel RUNs, or change their priority to N; stop the queue;"
        " without an action, run it",
    )  # fmt: skip
    queue.add_argument("names", nargs="*", metavar="RUN", help="waiting runs; for priority, N comes last")
    queue.add_argument(
        "--devices", metavar="D,D", help="devices to train on, such as cuda:0,cuda:1 (default: all GPUs, else cpu)"
    )
    queue.add_argument("--per-device", type=positive, default=1, metavar="N", help="concurrent runs per device")
    queue.add_argument("--keep", action="store_true", help="wait for further runs when no run waits any more")
    queue.add_argument("--detach", action="store_true", help="run the queue in the background")


def add_submit(submit: Parser) -> None:
    _add_new_run(submit)
    add_sbatch(submit)
    submit.add_argument("--resume", metavar="RUN", help="continue a run that has ended, from its last checkpoint")
    add_extension(submit)


def add_sbatch(command: Parser) -> None:
    command.add_argument(
        "--sbatch", default="", metavar="OPTIONS", help='options for sbatch, such as "--partition=gpu --time=4:00:00"'
    )


def add_runs(runs: Parser) -> None:
    runs.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="folder of runs")
    runs.add_argument("--watch", action="store_true", help="redraw the table every two seconds, until ctrl+c")
    runs.add_argument("--filter", metavar="Q", default="", help="list only matching runs, such as 'lr<0.01 test>95%%'")
    runs.add_argument("--sort", metavar="KEY", default="", help="sort by a column, such as test or lr; -lr: descending")
    runs.add_argument("--columns", metavar="KEY,KEY", default="", help="show these columns, such as lr,test,macro-f1")


def add_sweep(sweep: Parser) -> None:
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
    sweep.add_argument("--submit", type=positive, metavar="N", help="submit N workers to Slurm, as a job array")
    add_sbatch(sweep)
    add_queueing(sweep)
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


def add_learning_curve(curve: Parser) -> None:
    curve.add_argument("--fractions", metavar="F,F", help="fractions of the training images (default: 0.1,0.25,0.5,1)")
    curve.add_argument("--seeds", type=positive, metavar="N", help="runs per fraction (default: 3)")


def add_show(show: Parser) -> None:
    show.add_argument("--layers", action="store_true", help="include what each layer did when it was last measured")
    show.add_argument("--metrics", action="store_true", help="print the metrics, such as macro-F1, with intervals")
    show.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="print the metrics, and what rejecting images of a probability below P changes",
    )


def add_compare(compare: Parser) -> None:
    compare.add_argument("names", nargs="+", metavar="RUN", help="at least two runs; the first is the baseline")
    compare.add_argument(
        "--format", choices=["table", "markdown", "csv"], default="table", help="output format (default: table)"
    )
    compare.add_argument("--all", action="store_true", help="include settings that do not differ")
    compare.add_argument("--reach", type=percentage, metavar="PERCENT", help="validation accuracy to reach")


def add_report(report: Parser) -> None:
    report.add_argument("names", nargs="+", metavar="RUN", help="several runs are compared; the first is the baseline")
    report.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="FILE.html, or FILE.md with pictures in FILE_files (default: the run's id, or comparison, with .html)",
    )  # fmt: skip
    report.add_argument("--force", action="store_true", help="overwrite existing files")


def add_evaluate(evaluate: Parser) -> None:
    evaluate.add_argument(
        "--split", choices=["test", "validation"], default="test", help="split to evaluate (default: test)"
    )
    evaluate.add_argument(
        "--checkpoint", choices=["last", "best"], default="last", help="checkpoint to evaluate (default: last)"
    )
    evaluate.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="evaluate other images: data.dir, data.labels"
    )
    add_device(evaluate)


def add_predict(predict: Parser) -> None:
    predict.add_argument(
        "paths", nargs="+", metavar="PATH", help="picture, folder of pictures, or - to read paths from standard input"
    )
    predict.add_argument("--top", type=positive, default=3, metavar="K", help="classes per picture (default: 3)")
    predict.add_argument(
        "--threshold", type=probability, default=0.0, metavar="P", help="give no class if its probability is below P"
    )
    predict.add_argument(
        "--tta", action="store_true", help="average over mirror images and, for photos, crops of the corners"
    )
    predict.add_argument("--checkpoint", choices=["last", "best"], default="", help="weights (default: last)")
    add_device(predict)
    predict.add_argument(
        "-0", "--null", action="store_true", help="paths on standard input end with NUL, as find -print0 writes them"
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    form.add_argument("--csv", action="store_true", help="print CSV to stdout")


def add_explain(explain: Parser) -> None:
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
    explain.add_argument("--checkpoint", choices=["last", "best"], default="", help="default: last")
    add_device(explain)
    explain.add_argument("--force", action="store_true", help="overwrite existing files")


def add_device(command: Parser) -> None:
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")


def add_suspects(suspects: Parser) -> None:
    suspects.add_argument(
        "--split", choices=["training", "validation", "test"], help="list images of this split only (default: all)"
    )
    suspects.add_argument(
        "--top", type=positive, metavar="N", help="list at most N images (default: 20; CSV, JSON: all)"
    )
    suspects.add_argument("--checkpoint", choices=["last", "best"], default="", help="default: last")
    add_device(suspects)
    form = suspects.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    form.add_argument("--csv", action="store_true", help="print the images as CSV to stdout")


def add_robustness(robustness: Parser) -> None:
    robustness.add_argument(
        "--split", choices=["test", "validation"], default="test", help="split to evaluate (default: test)"
    )
    robustness.add_argument(
        "--checkpoint", choices=["last", "best"], default="", help="default: best, or last if the run has no best one"
    )
    add_device(robustness)


def add_export(export: Parser) -> None:
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
    export.add_argument("--checkpoint", choices=["last", "best"], default="", help="default: last")
    export.add_argument("--force", action="store_true", help="overwrite existing files")


def add_extension(command: Parser) -> None:
    command.add_argument("--epochs", metavar="N", default="", help="total number of epochs, or +N for N more")
    command.add_argument(
        "--schedule", choices=get_args(Extension),
        help="with --epochs: stretch the learning-rate schedule over all epochs (default), hold its last rate, or begin"
        " a new cycle",
    )  # fmt: skip


def add_resume(resume: Parser) -> None:
    add_extension(resume)
    resume.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="change where the run finds its images (data.dir) or trains (training.device)",
    )  # fmt: skip
    add_queueing(resume)
