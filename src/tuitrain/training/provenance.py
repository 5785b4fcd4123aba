"""Record the machine, software, model and data that a run was trained with."""

import platform
import subprocess

import torch

from tuitrain import __version__
from tuitrain.runs.records import RunInfo
from tuitrain.training import device as devices
from tuitrain.training.models.summary import title
from tuitrain.training.setup import Setup


def run_info(setup: Setup) -> RunInfo:
    """Return the contents of run.json, except what the run folder has already: id, name and command line."""
    dataset = setup.dataset
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return RunInfo(
        id="",
        name="",
        host=platform.node(),
        device=devices.describe_device(setup.device),
        devices=setup.group.size if setup.group else 1,
        threads=setup.threads,
        versions=_versions(),
        flags=numeric_flags(setup),
        git=_git(),
        model=title(setup.config.model, dataset.shape, len(dataset.classes)),
        parameters=sum(parameter.numel() for parameter in setup.model.parameters()),
        layers=[layer for layer, _ in setup.layers],
        shape=dataset.shape,
        classes=list(dataset.classes),
        sizes={name: len(split) for name, split in splits.items() if split is not None},
        batch_size=setup.config.data.images_per_batch,
        mean=list(dataset.mean),
        std=list(dataset.std),
        white=dataset.normalization.white,
        fingerprints={name: split.fingerprint for name, split in splits.items() if split is not None},
        value_ranges={kind: (span.low, span.high) for kind, span in dataset.value_ranges.items()},
        data_notes=list(dataset.notes),
        weights=setup.weights,
    )


def _versions() -> dict[str, str]:
    versions = {"tuitrain": __version__, "python": platform.python_version(), "torch": str(torch.__version__)}
    if torch.version.cuda and torch.cuda.is_available():
        versions["cuda"] = torch.version.cuda
    return versions


def numeric_flags(setup: Setup) -> dict[str, str]:
    """Return the settings and environment that influence the last bits of a result."""
    training = setup.config.training
    flags = {
        "precision": training.precision,
        "deterministic": str(training.deterministic).lower(),
        "matmul": torch.get_float32_matmul_precision(),
    }
    if setup.device.type == "cpu":
        flags["vectors"] = torch.backends.cpu.get_cpu_capability()
    elif setup.device.type == "cuda":
        flags["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return flags


def _git() -> str:
    """Return the commit of the working directory, with `+` if it has local changes; "" outside a repository."""
    try:
        process = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip()
