"""Compute the baselines of the runs that another process requests."""

from typing import BinaryIO

from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.preview import report
from tuitrain.hosts.preview.child import serve_and_exit
from tuitrain.hosts.verdict.find import find_verdict
from tuitrain.runs.baselines import Baselines
from tuitrain.runs.folder import RunFolder


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    report.serve(requests, answers, _compute, "verdict")


def _compute(folder: RunFolder, _: str, progress: ProgressCallback) -> Baselines | None:
    return find_verdict(folder, "auto", progress).baselines


if __name__ == "__main__":
    serve_and_exit(serve)
