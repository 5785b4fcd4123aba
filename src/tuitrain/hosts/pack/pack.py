"""Pack a configuration with tuitrain, its dependencies, its data set and its weights."""

import errno
import re
import shutil
import tarfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from tuitrain.config.code import runs_python
from tuitrain.config.schema import Config
from tuitrain.files import kept_draft, remove_abandoned_drafts, replace_by
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.pack.bundle import Item, write_items
from tuitrain.hosts.pack.contents import Contents, collect
from tuitrain.hosts.pack.pip import pip_command
from tuitrain.hosts.pack.requirements import TORCH
from tuitrain.hosts.pack.target import Target
from tuitrain.hosts.pack.wheels import Wheel, get_wheels
from tuitrain.hosts.paths import with_absolute_paths
from tuitrain.output_file import check_output_file, not_written
from tuitrain.text import plain, size

# The minor version of glibc 2 that manylinux2014 needs.
OLDEST_GLIBC = 17


class PackSpec(Struct, frozen=True, kw_only=True):
    """A bundle to write to `path`; `original` is the text of the user's TOML file."""

    config: Config
    runs_dir: Path
    path: Path
    target: Target
    original: str = ""
    without_torch: bool = False
    force: bool = False


class Packed(Struct, frozen=True):
    """A bundle of `bytes`: its `parts` with their sizes in bytes, and `notes`, sentences about what it lacks. `glibc`
    is the minor version of glibc 2 that it needs."""

    path: Path
    bytes: int
    target: Target
    parts: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    glibc: int


def pack(spec: PackSpec, progress: ProgressCallback) -> Packed:
    """Write the bundle, without running the user's code. Raise TuitrainError if that fails; then no new file exists."""
    check_output_file(spec.path, force=spec.force)
    remove_abandoned_drafts(spec.path)  # They take gigabytes.
    pip_command()  # Raises an error before anything is downloaded.
    contents = collect(with_absolute_paths(spec.config, spec.runs_dir), spec.original, progress)
    wheels: list[Wheel] = []

    def write(draft: Path) -> None:
        with kept_draft(draft.parent):
            wheels.extend(_write(spec, contents, draft, progress))

    try:
        spec.path.parent.mkdir(parents=True, exist_ok=True)
        replace_by(write, spec.path)
        total = spec.path.stat().st_size
    except OSError as error:
        reason = not_written(spec.path, error)
        reason.hint = _space_needed(spec) if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise reason from None
    return Packed(spec.path, total, spec.target, tuple(contents.packed), tuple(contents.notes), _glibc(wheels))


def _space_needed(spec: PackSpec) -> str:
    """Return a remedy for a full disk. pip unpacks and downloads beside the bundle."""
    free = ""
    with suppress(OSError):
        free = f", where {size(shutil.disk_usage(spec.path.parent).free)} are free"
    needed = "about 300 MB" if spec.without_torch else "several GB, or about 300 MB with --without-torch,"
    folder = plain(spec.path.parent.absolute(), 1000)
    return f"The packages need {needed} in {folder}{free}. Free some space, or choose another disk with -o."


def _write(spec: PackSpec, contents: Contents, draft: Path, progress: ProgressCallback) -> list[Wheel]:
    """Write the bundle to `draft`, and the wheels into folders beside it. Return the wheels, tuitrain's first."""
    folder, temporary = draft.parent / "wheels", draft.parent / "temporary"
    folder.mkdir()
    temporary.mkdir()
    left_out = TORCH if spec.without_torch else ()
    wheels = get_wheels(folder, temporary, spec.target, progress, left_out)
    items = [Item.of_file(f"wheels/{wheel.path.name}", wheel.path) for wheel in wheels]
    what = f"tuitrain and {len(wheels) - 1} packages that it requires"
    contents.packed.insert(0, (what, sum(item.size for item in items)))
    if spec.without_torch:
        contents.notes.insert(0, "torch and torchvision (--without-torch): the Python of the server needs them.")
    progress("writing the bundle", None)
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as archive:
        write_items(archive, _instructions(spec, wheels))
        for item in items:
            write_items(archive, [item])
            if item.source:
                item.source.unlink()  # A full set of wheels takes gigabytes.
        write_items(archive, contents.items)
    return wheels


def _instructions(spec: PackSpec, wheels: list[Wheel]) -> list[Item]:
    """Return the script that installs the bundle, and the versions that it installs."""
    trust = runs_python(spec.config) or spec.config.notify.command is not None
    script = install_script(
        spec.target, wheels[0].path.name, _glibc(wheels), without_torch=spec.without_torch, trust=trust
    )
    versions = "".join(f"{wheel.name}=={wheel.version}\n" for wheel in wheels)
    return [Item.of_bytes("install.sh", script.encode()), Item.of_bytes("requirements.txt", versions.encode())]


def install_script(target: Target, wheel: str, glibc: int, *, without_torch: bool, trust: bool) -> str:
    """Return install.sh for a bundle whose wheels need glibc 2.`glibc`; `wheel` is the name of tuitrain's. With
    `trust`, the configuration contains code that the user must allow."""
    values = {
        "PYTHON": target.python,
        "ARCH": target.arch,
        "GLIBC": str(glibc),
        "WITHOUT_TORCH": "yes" if without_torch else "",
        "WHEEL": wheel,
        "TRUST": " --trust" if trust else "",
    }
    script = files("tuitrain.hosts.pack").joinpath("install.sh").read_text(encoding="utf-8")
    return re.sub("@([A-Z_]+)@", lambda match: values[match[1]], script)


def _glibc(wheels: list[Wheel]) -> int:
    """Return the minor version of glibc 2 that the wheels need."""
    return max([OLDEST_GLIBC, *(wheel.glibc for wheel in wheels)])


def describe(packed: Packed) -> list[str]:
    """Return lines that say what a bundle contains, and what it does not."""
    lines = [f"{what}: {size(amount)}" if amount else what for what, amount in packed.parts]
    return lines + [f"not packed: {note}" for note in packed.notes]
