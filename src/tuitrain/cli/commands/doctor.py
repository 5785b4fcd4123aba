"""`tuitrain doctor`: show what works on this machine, and what to do where something does not."""

import argparse
import os
from collections.abc import Iterator

import msgspec

from tuitrain.cli.commands.completion import script_path, users_shell
from tuitrain.cli.output import print_json, print_line, progress
from tuitrain.errors import ConfigError
from tuitrain.hosts.doctor.finding import Finding
from tuitrain.hosts.doctor.folders import check_folders
from tuitrain.hosts.doctor.gpus import check_gpus
from tuitrain.hosts.doctor.packages import ask_torch, check_packages
from tuitrain.hosts.doctor.services import check_alerts, check_slurm
from tuitrain.hosts.doctor.terminal import check_terminal
from tuitrain.machine.gpus import GpuReader
from tuitrain.text import utf8_locale


def run(options: argparse.Namespace) -> int:
    findings = list(_findings(options))
    if options.json:
        print_json(msgspec.to_builtins(findings))
    else:
        width = max(len(finding.name) for finding in findings)
        marks = dict(zip(("ok", "note", "problem"), "✓!✗" if utf8_locale() else "+!x", strict=True))
        for finding in findings:
            print_line(f"{marks[finding.level]} {finding.name:<{width}}  {finding.text}")
            if finding.advice:
                print_line(f"  {'':<{width}}  {finding.advice}")
    return 1 if any(finding.level == "problem" for finding in findings) else 0


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    with progress() as show:
        show("loading torch", None)
        torch = ask_torch()
    yield from check_packages(torch)
    yield from check_gpus(GpuReader().read(), torch)
    yield from check_folders(options.runs_dir)
    yield from check_slurm()
    yield from check_alerts(options.runs_dir)
    yield from check_terminal()
    yield from _check_completion()


def _check_completion() -> Iterator[Finding]:
    try:
        shell = users_shell()
        installed = os.path.exists(script_path(shell))  # noqa: PTH110 (False if the folder is closed)
    except (ConfigError, RuntimeError):
        return
    if installed:
        yield Finding("completion", f"installed for {shell}")
    else:
        yield Finding("completion", f"not installed for {shell}", "note", "Install it: tuitrain completion")
