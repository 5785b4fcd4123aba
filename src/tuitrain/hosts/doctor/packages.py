"""Check the installed packages, and whether torch can be loaded."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from msgspec import Struct

from tuitrain import __version__
from tuitrain.hosts.doctor.finding import Finding
from tuitrain.text import plain

# Seconds that importing torch may take, on a slow network file system.
_TIMEOUT = 120
_ASK = """
import json, torch, torchvision
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if cuda else []
versions = [module.__version__.partition("+")[0] for module in (torch, torchvision)]
mps = torch.backends.mps.is_available()
print(json.dumps({"versions": versions, "built_for": torch.version.cuda or "", "gpus": names, "mps": mps}))
"""


class Torch(Struct, frozen=True):
    """The answer of torch: the `versions` of torch and torchvision, the CUDA version that torch was `built_for`, empty
    for a build for the CPU, and the names of the GPUs that it can use. `problem` says why it cannot be loaded."""

    versions: tuple[str, str] = ("", "")
    built_for: str = ""
    gpus: tuple[str, ...] = ()
    mps: bool = False
    problem: str = ""


def ask_torch() -> Torch:
    """Load torch in a separate process: a broken one may crash."""
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-c", _ASK], capture_output=True, text=True, timeout=_TIMEOUT, check=True
        )
        return Torch(**json.loads(asked.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines() or [f"status {error.returncode}"]
        return Torch(problem=plain(lines[-1], 300))
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError, TypeError) as error:
        return Torch(problem=plain(error, 300))


def check_packages(torch: Torch) -> Iterator[Finding]:
    yield Finding("tuitrain", f"{__version__}, Python {platform.python_version()}")
    wrong = list(_unsuitable())
    if wrong:
        advice = "Install tuitrain into a new environment, for example with uv tool install."
        yield Finding("packages", "; ".join(wrong), "problem", advice)
    else:
        yield Finding("packages", "all versions are as tuitrain requires them")
    if torch.problem:
        advice = "Training needs torch and torchvision of matching versions."
        yield Finding("torch", f"cannot be loaded: {torch.problem}", "problem", advice)
    else:
        build = f"for CUDA {plain(torch.built_for, 20)}" if torch.built_for else "for the CPU"
        versions = [plain(one, 40) for one in torch.versions]
        yield Finding("torch", f"{versions[0]}, built {build}; torchvision {versions[1]}")


def _unsuitable() -> Iterator[str]:
    """Yield what is wrong with each package that is missing or has another version than tuitrain requires."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = requires("tuitrain") or []
    except PackageNotFoundError:
        lines = []
    for line in lines:
        try:
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            found = version(needed.name)
        except InvalidRequirement:
            continue
        except PackageNotFoundError:
            yield f"{plain(needed.name, 60)} is missing"
            continue
        if not needed.specifier.contains(found, prereleases=True):
            yield f"{plain(needed.name, 60)} {plain(found, 40)} is not {needed.specifier}"
