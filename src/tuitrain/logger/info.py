"""Describe the script and the machine of a run."""

import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tuitrain import __version__
from tuitrain.logger.values import clean_text
from tuitrain.runs.records import RunInfo
from tuitrain.runs.writer import numbered_name

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTES, LONGEST_COMMAND, MOST_TAGS = 100, 40, 2000, 2000, 50


def script_info(
    runs_dir: Path, name: str | None, project: str | None, notes: str | None, tags: str | Sequence[str] | None
) -> RunInfo:
    """Return the contents of run.json. Without a name, the run is named after the project or the script, and
    numbered."""
    base = clean_text(project, LONGEST_NAME) if project else _script_name()
    return RunInfo(
        id="",
        name=clean_text(name, LONGEST_NAME) if name else numbered_name(base, runs_dir),
        notes=clean_text(notes or "", LONGEST_NOTES),
        tags=[clean_text(tag, LONGEST_TAG) for tag in ([tags] if isinstance(tags, str) else tags or ())][:MOST_TAGS],
        command=clean_text(shlex.join(["python", *sys.argv]), LONGEST_COMMAND),
        host=platform.node(),
        versions=_versions(),
    )


def _script_name() -> str:
    if "ipykernel" in sys.modules:
        return "notebook"
    return clean_text(Path(sys.argv[0]).stem if sys.argv else "", LONGEST_NAME) or "script"


def _versions() -> dict[str, str]:
    versions = {"tuitrain": __version__, "python": platform.python_version()}
    torch = sys.modules.get("torch")
    return versions | ({"torch": str(getattr(torch, "__version__", ""))} if torch else {})
