"""`tuitrain show RUN`: print the result and confusion matrix of a run."""

import argparse
from dataclasses import asdict
from typing import Any

from tuitrain.analysis import confusion, summary, units
from tuitrain.analysis.layers import layer_problem, layer_states
from tuitrain.analysis.robustness import document
from tuitrain.analysis.slurm import job_line
from tuitrain.analysis.verdict import judged_evaluation, read_verdict
from tuitrain.analysis.waiting import reason
from tuitrain.cli.logged_output import logged_document, print_logged
from tuitrain.cli.metrics_output import predictions_document, print_metrics
from tuitrain.cli.output import format_scores, print_json, print_line
from tuitrain.cli.slurm_output import update_from_slurm
from tuitrain.cli.table import write_table
from tuitrain.cli.verdict_output import print_sentences, verdict_document
from tuitrain.config.formatting import format_value
from tuitrain.config.values import flatten
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import Entry, find
from tuitrain.runs.catalog.result import result
from tuitrain.runs.changes import present
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.runs.robustness import read_robustness
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.slurm import waiting_runs, waits_for_slurm
from tuitrain.text import counted, plain

# The maximum number of classes in a printed matrix; --json prints all.
MAX_CLASSES = 20


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    info, state = folder.info(), folder.state()
    if update_from_slurm(waiting_runs([(folder, state)])):
        state = folder.state()
    entry = Entry(folder, info, folder.config(), state, shown_status(state))
    if options.json:
        print_json(_document(entry, options))
        return 0
    if options.metrics or options.threshold is not None:
        print_metrics(folder, [folder.best_test(state), folder.evaluation("validation")], options.threshold)
        return 0
    _print_state(entry)
    if isinstance(folder, ScriptFolder):
        print_logged(folder)
    else:
        _print_verdict(folder)
    if not folder.read_only or folder.best_test(state):
        _print_matrix(folder, judged_evaluation(folder, state))
    if options.layers:
        _print_layers(_followed(folder))
    return 0


def _document(entry: Entry, options: argparse.Namespace) -> dict[str, Any]:
    """Return a run for JSON."""
    folder, with_metrics = entry.folder, options.metrics or options.threshold is not None

    def described(found: Evaluation) -> dict[str, Any]:
        more = predictions_document(folder, found, options.threshold) if with_metrics else {}
        return evaluation_document(found) | more

    evaluations = {
        name: folder.evaluation(split, which)
        for name, split, which in (
            ("test", "test", "last"),
            ("test_best", "test", "best"),
            ("validation", "validation", "last"),
            ("validation_best", "validation", "best"),
        )
    }
    return {
        **result(folder, entry.state),
        "status": entry.status,
        **(_layers_document(_followed(folder)) if options.layers else {}),
        "info": entry.info,
        **({"logged": logged_document(folder)} if isinstance(folder, ScriptFolder) else {}),
        "config": entry.settings if folder.read_only else flatten(entry.config),
        "changed": present(entry.changes),
        "evaluation": {name: described(found) if found else None for name, found in evaluations.items()},
        "verdict": verdict_document(folder),
        "robustness": {split: document(record) for split, record in read_robustness(folder).items()},
    }


def _print_state(entry: Entry) -> None:
    """Print name, state, settings and scores of a run."""
    state = entry.state
    status = summary.status_name(entry.status, state)
    print_line(f"{plain(entry.info.name)} · {status} · {plain(entry.folder.path, 1000)}")
    if state.reason:
        print_line(plain(state.reason))
    if waiting := waits_for_slurm(state):
        print_line(reason(waiting, entry.config, ()))
    elif job := job_line(state):
        print_line(job)
    _print_settings(entry)
    for line in format_scores(state):
        print_line(line)
    epochs = f"{state.epoch} of {counted(state.epochs, 'epoch')}" if state.epochs else "epochs unknown"
    print_line(f"{epochs} · {counted(state.step, 'step')} · {units.duration(state.seconds)}")


def _print_verdict(folder: RunFolder) -> None:
    verdict = read_verdict(folder)
    if verdict is None:
        return
    if verdict.baselines is None:
        print_line(f"compare it with simple classifiers: tuitrain verdict {plain(folder.id)}")
    print_sentences(verdict)


def _print_settings(entry: Entry) -> None:
    info, external = entry.info, entry.folder.read_only
    differing = ", ".join(f"{key}={format_value(value)}" for key, value in summary.settings(entry).items())
    if isinstance(info, ExternalRunInfo):
        tags = ", ".join(f"{tag} ({points:,})" for tag, points in info.curves.items())
        logged = "" if entry.folder.editable else f": {plain(tags, 2000) or 'no numbers'}"
        print_line(f"read from {info.files}{logged}")
    elif info.model:
        print_line(f"{plain(info.model)} · {info.parameters:,} parameters · {plain(info.hardware)}")
    print_line(f"settings: {plain(differing, 2000) or ('unknown' if external else 'all defaults')}")
    if isinstance(info, ExternalRunInfo) and info.results:
        results = ", ".join(f"{name}={format_value(value)}" for name, value in info.results.items())
        print_line(f"results: {plain(results, 2000)}")


def _followed(folder: RunFolder) -> Follower:
    run = follow(folder)
    run.read_all()
    return run


def _layers_document(run: Follower) -> dict[str, Any]:
    return {"layers": [layer._asdict() for layer in layer_states(run)], "layer_problem": layer_problem(run)}


def _print_layers(run: Follower) -> None:
    if not (layers := layer_states(run)):
        print_line("\nNo layer has been measured: this happens after step 50 and every 500 steps.")
        return
    print_line("\nlayers, measured at one step: change / weight, and what the layer passes on")
    lines = [["layer", "update", "mean", "std", "dead units"]]
    for layer in layers:
        numbers = map(units.number, (layer.update_ratio, layer.mean, layer.std))
        lines.append([layer.name, *numbers, "–" if layer.dead is None else units.percent(layer.dead)])
    write_table(lines, right=range(1, 5))
    if problem := layer_problem(run):
        print_line(problem)


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation for JSON, with the scores per class but without images."""
    scores = confusion.class_scores(evaluation.confusion)
    names = evaluation.classes
    return {
        "split": evaluation.split,
        "checkpoint": evaluation.checkpoint,
        "epoch": evaluation.epoch,
        "step": evaluation.step,
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "metrics": evaluation.metrics,
        "classes": names,
        "confusion": evaluation.confusion,
        "per_class": [{"class": name, **asdict(score)} for name, score in zip(names, scores, strict=True)],
        "most_confused": [
            {**asdict(pair), "true": names[pair.true], "predicted": names[pair.predicted]}
            for pair in confusion.most_confused(evaluation.confusion, 20)
        ],
        "worst": [
            {
                "index": s.index,
                "true": names[s.true],
                "predicted": names[s.predicted],
                "probability": s.probability,
                "loss": s.loss,
            }
            for s in evaluation.worst
        ],
    }


def _print_matrix(folder: RunFolder, evaluation: Evaluation | None) -> None:
    if evaluation is None:
        print_line(f"No evaluation yet. Make one with: tuitrain evaluate {plain(folder.id)}")
        return
    print_line(f"\n{evaluation.split} split, epoch {evaluation.epoch}: rows true class, columns predicted class")
    if len(evaluation.classes) > MAX_CLASSES:
        print_line(f"{len(evaluation.classes)} classes are too many for a table; use --json.")
        return
    lines = [["", *(plain(name, 10) for name in evaluation.classes), "recall"]]
    scores = confusion.class_scores(evaluation.confusion)
    for name, row, score in zip(evaluation.classes, evaluation.confusion, scores, strict=True):
        lines.append([plain(name, 20), *map(str, row), units.percent(score.recall)])
    write_table(lines, right=range(1, len(lines[0])), gap=" ")
