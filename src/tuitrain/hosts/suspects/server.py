"""Find the suspects of the runs that another process requests."""

from typing import BinaryIO

from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.preview import report
from tuitrain.hosts.preview.child import serve_and_exit
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.hosts.suspects.report import Report
from tuitrain.runs.folder import RunFolder


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    report.serve(requests, answers, _find, "suspects")


def _find(folder: RunFolder, which: str, progress: ProgressCallback) -> Report:
    return find_suspects(folder, which, "auto", progress)


if __name__ == "__main__":
    serve_and_exit(serve)
