"""Results go to stdout, talk to stderr."""

import sys
from typing import Any

import msgspec

from tuitrain.runs.records import Score, State


def document(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def talk(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def score(value: Score | None) -> str:
    if value is None:
        return "-"
    return f"{value.accuracy:.2%} · loss {value.loss:.4f}" if value.loss is not None else f"{value.accuracy:.2%}"


def result(run: str, path: str, state: State) -> dict[str, Any]:
    """What `train --json` ends with; see the documentation of the command line."""
    return {
        "run": run,
        "path": path,
        "status": state.status,
        "reason": state.reason,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": state.seconds,
        "samples_per_second": state.samples_per_second,
        "train": state.train,
        "validation": state.validation,
        "test": state.test,
        "best": state.best,
    }
