"""Print the verdict on a run, as lines or for JSON."""

from typing import Any

from msgspec.structs import asdict

from tuitrain.analysis.verdict import Verdict, read_verdict
from tuitrain.cli.output import print_line
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder


def document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for JSON: its figures and its sentences."""
    baselines = verdict.baselines
    return asdict(verdict) | {
        "baselines": asdict(baselines) | {"best": baselines.best._asdict()} if baselines else None,
        "sentences": verdict.sentences,
    }


def verdict_document(folder: RunFolder) -> dict[str, Any] | None:
    """Return the verdict on a run for JSON, as far as its files say; None without one, or if a file is damaged."""
    try:
        found = read_verdict(folder)
    except RunError:
        return None
    return document(found) if found else None


def print_sentences(verdict: Verdict) -> None:
    for sentence in verdict.sentences:
        print_line(sentence)
