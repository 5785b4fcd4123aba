"""The section that says how to train a run again."""

import shlex
from typing import Any

from tuitrain.config.arguments import TABLE, arguments
from tuitrain.config.conditions import unused
from tuitrain.config.sweeps.overrides import format_values
from tuitrain.config.toml import to_toml_value
from tuitrain.config.values import changed_settings
from tuitrain.report.blocks import Block, Code, Facts, Section, Text
from tuitrain.runs.follower import Follower
from tuitrain.text import counted


def reproduce(run: Follower) -> Section:
    """Return the command, the same settings as TOML, and the versions, hardware and files that the run used."""
    blocks = train_again(run)
    if not run.folder.read_only and not run.problem:
        blocks.insert(1, Code("Or as a file, for tuitrain train -c", toml(_changed(run))))
        blocks.append(Facts(_environment(run)))
    return Section("How to reproduce it", blocks)


def train_again(run: Follower) -> list[Block]:
    """Return the command that trains with the settings of a run, and list those that changed during the run."""
    if run.folder.read_only:
        return [Text("Another tool trained this run, and its command is unknown.", "missing")]
    if run.problem:
        return [Text("The configuration cannot be read.", "missing")]
    blocks: list[Block] = [Code("Command", command(_changed(run), run.info.name))]
    if run.changes:
        steps = ", ".join(f"{key} {change}" for key, change in run.changes.items())
        blocks.append(Text(f"These settings were changed during the run: {steps}.", "warning"))
    return blocks


def _changed(run: Follower) -> dict[str, Any]:
    ignored = unused(run.config)
    return {key: value for key, value in changed_settings(run.config).items() if key not in ignored}


def command(changed: dict[str, Any], name: str) -> str:
    words = ["tuitrain", "train", *(["--name", name] if name else [])]
    for key, value in changed.items():
        words += ["--set", f"{key}={format_values(key, [value])}"]
    return shlex.join(words)


def toml(changed: dict[str, Any]) -> str:
    """Return a TOML file with these settings."""
    import tomlkit

    tree: dict[str, dict[str, Any]] = {}
    for key, value in changed.items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = arguments(value) if key == TABLE else to_toml_value(value)
    return tomlkit.dumps(tree).strip() or "# All settings have their defaults."


def _environment(run: Follower) -> list[tuple[str, str]]:
    info = run.info
    threads = counted(info.threads, "CPU thread") if info.threads else ""
    files = [f"{file.file} (SHA-256 {file.sha256})" for file in info.code]
    rows = [
        ("first started with", info.command),
        ("part of the sweep", info.parent or ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
        ("git", f"commit {info.git.rstrip('+')}{', with local changes' * info.git.endswith('+')}" if info.git else ""),
        ("hardware", ", ".join(filter(None, (info.host, info.hardware, threads)))),
        ("arithmetic", ", ".join(f"{name} {value}" for name, value in info.flags.items())),
        ("your code", "; ".join(files)),
    ]
    return [row for row in rows if row[1]]
