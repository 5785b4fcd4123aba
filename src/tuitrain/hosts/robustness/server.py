"""Evaluate the runs that another process names on corrupted test images."""

from typing import BinaryIO

from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.preview import report
from tuitrain.hosts.preview.child import serve_and_exit
from tuitrain.hosts.robustness.evaluate import evaluate_robustness
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.robustness import Robustness


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    report.serve(requests, answers, _evaluate, "robustness")


def _evaluate(folder: RunFolder, which: str, progress: ProgressCallback) -> Robustness:
    return evaluate_robustness(folder, "test", which, "auto", progress)


if __name__ == "__main__":
    serve_and_exit(serve)
