"""What a run was made with."""

import platform
import subprocess
import time

import torch

from tuitrain import __version__
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import default_name
from tuitrain.training import device as devices
from tuitrain.training.job import Job


def run_info(job: Job, name: str, command: str) -> RunInfo:
    dataset = job.dataset
    sizes = {"train": len(dataset.train), "test": len(dataset.test)}
    if dataset.validation is not None:
        sizes["validation"] = len(dataset.validation)
    return RunInfo(
        id="",
        name=name or default_name(job.config),
        created=time.time(),
        command=command,
        host=platform.node(),
        device=devices.describe(job.device),
        threads=job.threads,
        versions=_versions(),
        git=_git(),
        model=job.title,
        parameters=sum(parameter.numel() for parameter in job.model.parameters()),
        layers=[layer for layer, _ in job.layers],
        shape=dataset.shape,
        classes=list(dataset.classes),
        sizes=sizes,
        data_notes=list(dataset.notes),
    )


def _versions() -> dict[str, str]:
    versions = {"tuitrain": __version__, "python": platform.python_version(), "torch": str(torch.__version__)}
    if torch.version.cuda and torch.cuda.is_available():
        versions["cuda"] = torch.version.cuda
    return versions


def _git() -> str:
    """The commit of the working folder, with `+` where files differ from it; empty outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
