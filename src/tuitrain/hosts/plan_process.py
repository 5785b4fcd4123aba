"""Make the plan of a run that contains the user's code in a subprocess, because such code may end its process."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from tuitrain import errors
from tuitrain.config.code import runs_python
from tuitrain.config.schema import Config
from tuitrain.errors import TrainingError, TuitrainError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.plan import Plan, make_plan
from tuitrain.hosts.preview.child import problem_of, serve_and_exit


class Request(Struct, frozen=True):
    """A configuration to plan; its weights may be those of a run in `runs_dir`."""

    config: Config
    runs_dir: str


class Answer(Struct, frozen=True):
    """What the subprocess does and the completed part of it, or the plan, or an error: its class, message and hint."""

    doing: str = ""
    fraction: float | None = None
    plan: Plan | None = None
    error: tuple[str, str, str] | None = None


def plan_run(config: Config, runs_dir: Path, progress: ProgressCallback) -> Plan:
    """Return what `make_plan` returns, and raise what it raises. Raise TrainingError if the user's code ends the
    process in which it runs."""
    if not runs_python(config):
        return make_plan(config, runs_dir, progress)
    # -P: the user's folder may contain a torch.py.
    command = [sys.executable, "-P", "-m", "tuitrain.hosts.plan_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(Request(config, str(runs_dir))) + b"\n")
            process.stdin.close()
            for line in process.stdout:
                answer = msgspec.json.decode(line, type=Answer)
                if answer.plan is not None:
                    return answer.plan
                if answer.error is not None:
                    kind, message, hint = answer.error
                    raise getattr(errors, kind)(message, hint)
                progress(answer.doing, answer.fraction)
            raise TrainingError(f"No plan: its process {_end(process.wait())}, probably by your code.")
        finally:
            process.kill()


def _end(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer one request by JSON documents, one per line; the last one is the plan or an error."""

    def send(answer: Answer) -> None:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()

    request = msgspec.json.decode(requests.readline(), type=Request)
    try:
        plan = make_plan(request.config, Path(request.runs_dir), lambda *doing: send(Answer(*doing)))
        send(Answer(plan=plan))
    except TuitrainError as error:
        send(Answer(error=(type(error).__name__, error.message, error.hint)))
    except (Exception, SystemExit) as error:
        send(Answer(error=(TrainingError.__name__, problem_of(error), "")))


if __name__ == "__main__":
    serve_and_exit(serve)
