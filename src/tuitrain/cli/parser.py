"""All commands. A command's module is imported only when it runs."""

import argparse
import gc
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from tuitrain import __version__
from tuitrain.cli import options, server_options
from tuitrain.cli.options import Parser
from tuitrain.cli.pack_options import add_pack
from tuitrain.text import did_you_mean, plain

Command = Callable[[argparse.Namespace], int]

EPILOG = """\
Without a command, the app opens. First steps:
  tuitrain train                              train on the built-in digits
  tuitrain config > run.toml                  write a commented configuration
  tuitrain train -c run.toml --set optimizer.name=sgd --set optimizer.lr=0.1
  tuitrain runs                               list runs; then: tuitrain show RUN
"""


def _import_later(module: str) -> Command:
    def call(given: argparse.Namespace) -> int:
        run: Command = importlib.import_module(f"tuitrain.cli.commands.{module}").run
        gc.freeze()
        gc.enable()
        return run(given)

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
        return _parse_all(["app", *arguments])
    if not word.startswith("-") and word not in (*COMMANDS, *BACKGROUND):
        hint = did_you_mean(word, COMMANDS) or f"Commands: {', '.join(COMMANDS)}."
        sys.stderr.write(f"tuitrain: unknown command {plain(word, 60)!r}. {hint}\n")
        raise SystemExit(2)
    return _parse_all(arguments or ["app"])


def _parse_all(arguments: list[str]) -> argparse.Namespace:
    """Refuse unknown arguments with the help of their command, where argparse would name that of the program."""
    given, unknown = build().parse_known_args(arguments)
    if unknown:
        shown = " ".join(plain(text, 60) for text in unknown[:10])
        sys.stderr.write(f"tuitrain: unrecognized arguments: {shown}. See: tuitrain {arguments[0]} --help\n")
        raise SystemExit(2)
    return given


def _join_dashed_values(arguments: list[str]) -> list[str]:
    """Turn `--sort -test` into `--sort=-test`, because argparse would parse `-test` as an option, and likewise
    `--sbatch --exclusive`."""
    joined: list[str] = []
    for text in arguments:
        dashed = text.startswith("-") and not text.startswith("--")
        if joined and (joined[-1] == "--sbatch" or (joined[-1] in ("--sort", "--filter") and dashed)):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


COMMANDS: dict[str, str] = {
    "app": "open the app (the default)",
    "train": "train a run and print its result",
    "plan": "tell whether a run fits into the memory, and how long it takes",
    "submit": "submit a run to Slurm",
    "lr-find": "find a learning rate by a range test",
    "sweep": "train a run for each combination of several settings",
    "learning-curve": "train a run's settings on parts of the data, to tell whether more data would help",
    "queue": "train the waiting runs as devices become free, or list, hold, move and cancel them",
    "runs": "list runs",
    "show": "show a run with its confusion matrix",
    "compare": "compare settings and scores of runs, with McNemar's test",
    "report": "write a report of a run, or of several and their comparison, to share or print",
    "export": "export the metrics or weights of a run",
    "evaluate": "evaluate a checkpoint of a run on a split",
    "predict": "classify new pictures with the network of a run",
    "explain": "show what the prediction for an image depends on, and similar training images",
    "verdict": "compare a run with simple classifiers, and suggest the next step",
    "suspects": "list images whose label is likely wrong, and duplicates",
    "robustness": "evaluate a run under noise, blur, brightness and JPEG compression",
    "pack": "pack a configuration with its data, weights and packages for a server without a network",
    "attach": "open the live screen of a run, by default of the newest active one",
    "resume": "resume a paused, stopped or interrupted run, or extend a finished one",
    "join": "train a part of a run that waits for this machine",
    "stop": "stop a run after its current step, with a checkpoint",
    "pause": "pause a run",
    "checkpoint": "save a checkpoint of a run now",
    "set": "change the learning rate or number of epochs of a run",
    "data": "list the data sets by name, with sizes, licences and folders",
    "config": "print a commented TOML file with every setting",
    "gpus": "show what the GPUs do and who uses them",
    "cache": "list or clear the cache of decoded images and features",
    "watch": "send alerts about the runs of a folder, whoever trains them",
    "notify": "list, add, remove or test the addresses that alerts go to",
    "doctor": "show what works on this machine, and what to do where something does not",
    "completion": "complete commands, settings and names of runs with the tab key",
}


# Internal commands of background processes, whose output is their log.
BACKGROUND = ("work", "rank", "sweep-work")


def build() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="tuitrain",
        description="Train PyTorch image classifiers from a terminal: configure, watch, leave, come back, compare.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tuitrain {__version__}")
    shared, machine, one_run, trusting, detachable = options.shared_options()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def add(name: str, *parents: Parser, module: str | None = None) -> Parser:
        help = COMMANDS[name]
        command = commands.add_parser(
            name, parents=list(parents), help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
        )
        command.set_defaults(run=_import_later(module or name))
        return command

    add("app", shared)
    options.add_train(add("train", shared, machine, detachable))
    options.add_settings(add("plan", shared, machine, trusting))
    options.add_submit(add("submit", shared, machine, trusting))
    options.add_settings(add("lr-find", shared, machine, trusting, module="lr_find"))
    options.add_sweep(add("sweep", shared, machine, detachable))
    options.add_learning_curve(add("learning-curve", shared, machine, one_run, detachable, module="learning_curve"))
    options.add_queue(add("queue", shared, machine))
    options.add_runs(add("runs", shared, machine))
    options.add_show(add("show", shared, machine, one_run))
    options.add_compare(add("compare", shared, machine))
    options.add_report(add("report", shared, machine))
    options.add_evaluate(add("evaluate", shared, machine, one_run, trusting))
    options.add_predict(add("predict", shared, one_run, trusting))
    options.add_explain(add("explain", shared, machine, one_run, trusting))
    options.add_device(add("verdict", shared, machine, one_run, trusting))
    options.add_suspects(add("suspects", shared, one_run, trusting))
    options.add_robustness(add("robustness", shared, machine, one_run, trusting))
    options.add_export(add("export", shared, machine, one_run, trusting))
    add_pack(add("pack", shared, machine))
    add("attach", shared, module="app").add_argument("name", metavar="RUN", nargs="?", help="id, part of an id or name")
    options.add_resume(add("resume", shared, machine, one_run, detachable))
    server_options.add_join(add("join", shared, one_run, detachable))
    for name in ("stop", "pause", "checkpoint"):
        add(name, shared, one_run, module="control")
    change = add("set", shared, one_run, module="control")
    change.add_argument("changes", nargs="+", metavar="KEY=VALUE", help="optimizer.lr=0.01, training.epochs=20")
    _background_processes(commands)
    add("data", machine).add_argument("dir", metavar="DIR", nargs="?", help="folder to search, as data.dir")
    add("config", machine)
    add("gpus", shared, machine)
    server_options.add_cache(add("cache", machine))
    server_options.add_watch(add("watch", shared))
    server_options.add_notify(add("notify", machine))
    add("doctor", shared, machine)
    server_options.add_completion(add("completion"))
    return parser


def _background_processes(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the internal commands that background processes run; the help does not show them."""
    work = commands.add_parser("work", add_help=False)
    work.add_argument("path", type=Path)
    work.add_argument("--epochs", type=int)
    work.add_argument("--schedule", default="stretch")
    work.add_argument("--since", type=int)
    work.add_argument("--after", type=Path)
    work.add_argument("--allowed", default="")
    work.add_argument("--device", default="")
    work.add_argument("--threads", type=int)
    work.add_argument("--slot", action="append", default=[])
    work.add_argument("--slurm", action="store_true")
    work.set_defaults(run=_import_later("work"))
    rank = commands.add_parser("rank", add_help=False)
    rank.add_argument("path", type=Path)
    rank.add_argument("--launcher", type=int)
    rank.add_argument("--exchange", type=Path)
    rank.add_argument("--devices")
    rank.add_argument("--epochs", type=int)
    rank.add_argument("--schedule", default="stretch")
    rank.add_argument("--allowed", default="")
    rank.set_defaults(run=_import_later("rank"))
    worker = commands.add_parser("sweep-work", add_help=False)
    worker.add_argument("path", type=Path)
    worker.add_argument("--device", default="")
    worker.add_argument("--threads", type=int)
    worker.add_argument("--until", type=float)
    worker.add_argument("--stack", type=int, default=1)
    worker.add_argument("--allowed", default="")
    worker.add_argument("--slurm", type=float)
    worker.set_defaults(run=_import_later("sweep_work"))
