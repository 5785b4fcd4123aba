"""Find the packages that tuitrain requires on another machine."""

import json
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tuitrain.hosts.pack.target import Target

ROOT = "tuitrain"
# Servers with GPUs often have these two already, built for their driver.
TORCH = frozenset({"torch", "torchvision"})


class Package(NamedTuple):
    """A version of a package, and its requirements as its metadata states them."""

    version: Version
    requires: Sequence[str]


def installed(name: str) -> Package | None:
    """Return the package as it is installed here, or None if it is missing or a local build, such as torch 2.9+cpu,
    whose requirements differ from those of the public version."""
    try:
        found = distribution(name)
        version = Version(found.version)
    except (PackageNotFoundError, InvalidVersion):
        return None
    return None if version.local else Package(version, found.requires or ())


def required(
    packages: Mapping[str, Package | None], target: Target, left_out: Collection[str] = ()
) -> dict[str, SpecifierSet]:
    """Return the names of the packages that tuitrain requires directly or indirectly, with their allowed versions.

    `packages` are those whose requirements are known. Leave out `left_out`, and what only they require.
    """
    found: dict[str, SpecifierSet] = {}
    environment = target.environment
    pending, seen = [(ROOT, "")], set[tuple[str, str]]()
    while pending:
        item = name, extra = pending.pop()
        package = packages.get(name)
        if item in seen or package is None:
            continue
        seen.add(item)
        for requirement in map(Requirement, package.requires):
            dependency = canonicalize_name(requirement.name)
            marker = requirement.marker
            if dependency in left_out or (marker and not marker.evaluate({**environment, "extra": extra})):
                continue
            found[dependency] = found.get(dependency, SpecifierSet()) & requirement.specifier
            pending += [(dependency, each) for each in ("", *requirement.extras)]
    return found


def pinned(name: str, allowed: SpecifierSet) -> str:
    """Return the requirement of the version that is installed here, if it is allowed, or else of all allowed ones."""
    try:
        # Without the local part of a version such as 2.9+cpu, which only some indexes have.
        version = Version(Version(distribution(name).version).public)
    except (PackageNotFoundError, InvalidVersion):
        return f"{name}{allowed}"
    # Three equals signs refuse 2.9+cpu, which pip prefers to 2.9.
    return f"{name}==={version}" if allowed.contains(version, prereleases=True) else f"{name}{allowed}"


def own_source(found: Distribution) -> str:
    """Return where pip gets this tuitrain from: the folder or address that it was installed from, or its version."""
    record = json.loads(found.read_text("direct_url.json") or "{}")
    url = record.get("url", "")
    if commit := record.get("vcs_info", {}).get("commit_id"):
        return f"{record['vcs_info']['vcs']}+{url}@{commit}"
    return url or f"{ROOT}=={found.version}"
