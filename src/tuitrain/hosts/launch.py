"""Making a run and training it, here in the calling thread."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tuitrain.config.schema import Config
from tuitrain.hosts.output import Capture
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import create

Progress = Callable[[str, float | None], None]


class Request(Struct, frozen=True, kw_only=True):
    """A run to be made; `original` is the user's TOML file, whose comments are kept, or empty."""

    config: Config
    runs_dir: Path
    name: str = ""
    original: str = ""
    command: str = ""


def launch(request: Request, progress: Progress, created: Callable[[RunFolder], None]) -> State:
    """Prepare, make the run's folder, tell `created`, train to the end.

    Raises TuitrainError where preparing fails; then nothing is written. Once there is a folder, what goes wrong
    stands in its state.
    """
    with Capture() as capture:
        progress("loading torch", None)
        from tuitrain.training.job import prepare
        from tuitrain.training.provenance import run_info
        from tuitrain.training.work import work

        job = prepare(request.config, progress)
        info = run_info(job, request.name, request.command)
        folder = create(request.runs_dir, info, request.config, request.original)
        capture.to(folder.log_file)
        inbox = Inbox(folder)
        created(folder)
        return work(job, folder, inbox)
