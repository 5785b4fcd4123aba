"""Download the wheels of tuitrain and of all that it requires."""

import zipfile
from collections.abc import Collection, Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from packaging.metadata import parse_email
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from tuitrain.errors import PackError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.pack.pip import run_pip
from tuitrain.hosts.pack.requirements import ROOT, Package, installed, own_source, pinned, required
from tuitrain.hosts.pack.target import Target
from tuitrain.text import plain


class Wheel(NamedTuple):
    """A wheel; `glibc` is the minor version of glibc 2 that it needs, 0 for any."""

    path: Path
    name: str
    version: Version
    glibc: int


def get_wheels(
    folder: Path, temporary: Path, target: Target, progress: ProgressCallback, left_out: Collection[str] = ()
) -> list[Wheel]:
    """Fill the empty `folder` with the wheels of tuitrain and of what it requires on `target`, tuitrain's first.

    The versions are those that are installed here, so that the same code runs there. pip evaluates the markers of
    requirements for its own Python, so find the requirements here, and download each wheel alone. Raise PackError.
    """
    progress("building tuitrain's wheel", None)
    source = own_source(distribution(ROOT))
    run_pip(["wheel", "--no-deps", "--wheel-dir", str(folder), source], temporary, progress)
    wheels = {wheel.name: wheel for wheel in map(read_name, folder.glob("*.whl"))}
    if list(wheels) != [ROOT]:
        raise PackError(f"pip built no wheel of tuitrain from {plain(source)}.")
    packages: dict[str, Package | None] = {ROOT: _package(wheels[ROOT])}
    while True:
        allowed = _expand(packages, target, left_out)
        missing = sorted(allowed.keys() - wheels.keys())
        if not missing:
            break
        progress("downloading packages", None)
        _download([pinned(name, allowed[name]) for name in missing], folder, temporary, target, progress)
        wheels = {wheel.name: wheel for wheel in map(read_name, folder.glob("*.whl"))}
        for name in missing:
            if name not in wheels:
                raise PackError(f"pip downloaded no wheel of {name}.")
            packages[name] = _package(wheels[name])
    _check(wheels.values(), allowed)
    return [wheels.pop(ROOT), *(wheels[name] for name in sorted(allowed))]


def _expand(packages: dict[str, Package | None], target: Target, left_out: Collection[str]) -> dict[str, SpecifierSet]:
    """Return all requirements of `packages`, to which this adds those that are installed here: one download then gets
    nearly all wheels."""
    while True:
        allowed = required(packages, target, left_out)
        new = {name: installed(name) for name in allowed.keys() - packages.keys()}
        if not new:
            return allowed
        packages |= new


def _download(
    requirements: Iterable[str], folder: Path, temporary: Path, target: Target, progress: ProgressCallback
) -> None:
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    run_pip(
        [
            "download", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", target.python,
            *platforms, "--dest", str(folder), *requirements,
        ],
        temporary,
        progress,
    )  # fmt: skip


def read_name(path: Path) -> Wheel:
    """Return what the name of a wheel says. Raise PackError for another file."""
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        raise PackError(f"pip downloaded {plain(path.name)}, which is not a wheel.") from None
    # A wheel for several platforms runs on all of them.
    return Wheel(path, name, version, min(_glibc(tag.platform) for tag in tags))


def _glibc(platform: str) -> int:
    """Return 28 for manylinux_2_28_x86_64, and 0 for platforms that name no version."""
    parts = platform.split("_")
    return int(parts[2]) if len(parts) > 3 and parts[:2] == ["manylinux", "2"] and parts[2].isdigit() else 0


def _package(wheel: Wheel) -> Package:
    try:
        with zipfile.ZipFile(wheel.path) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata, _ = parse_email(archive.read(name))
    except (OSError, zipfile.BadZipFile, StopIteration):
        raise PackError(f"The wheel {plain(wheel.path.name)} is damaged.") from None
    return Package(wheel.version, metadata.get("requires_dist", []))


def _check(wheels: Iterable[Wheel], allowed: dict[str, SpecifierSet]) -> None:
    """Raise PackError if a package does not fit what the others require of it."""
    for wheel in wheels:
        specifier = allowed.get(wheel.name, SpecifierSet())
        if not specifier.contains(wheel.version, prereleases=True):
            raise PackError(
                f"{wheel.name} {wheel.version} does not fit the other packages, which require {specifier}.",
                f"Install a version that does here: {wheel.name}{specifier}",
            )
