"""`tuitrain gpus`: show what the GPUs of this machine do and who uses them, and how busy the rest is."""

import argparse
import time
from typing import Any

import msgspec

from tuitrain.cli.output import print_json, print_line, print_message
from tuitrain.cli.table import write_table
from tuitrain.machine.gpus import GpuReader, Gpus
from tuitrain.machine.load import Disk, Load, Machine, disk
from tuitrain.machine.tables import disk_text, gpu_lines, load_text, problems, user_lines
from tuitrain.machine.users import runs_by_process
from tuitrain.runs.catalog.index import RunIndex

# Seconds during which the use of the CPU is measured.
MEASURED = 0.2


def run(options: argparse.Namespace) -> int:
    machine = Machine()
    machine.load()
    began = time.monotonic()
    gpus = GpuReader().read(runs_by_process(RunIndex(options.runs_dir).refresh()))
    time.sleep(max(0.0, began + MEASURED - time.monotonic()))
    load, space = machine.load(), disk(options.runs_dir)
    if options.json:
        print_json(_document(gpus, load, space))
        return 0
    if gpus.devices:
        write_table(gpu_lines(gpus), (1, 2, 3, 4, 7))
        processes = user_lines(gpus)
        if len(processes) > 1:
            print_line("")
            write_table(processes, (1, 3))
        print_line("")
    for problem in problems(gpus):
        print_message(problem)
    print_line(" · ".join([load_text(load), *([disk_text(space)] if space else [])]))
    return 0


def _document(gpus: Gpus, load: Load, space: Disk | None) -> dict[str, Any]:
    return {
        "gpus": msgspec.to_builtins(gpus.devices), "driver": gpus.driver or None, "problem": gpus.problem or None,
        "cpu": load.cpu, "cores": load.cores, "memory": load.memory, "total_memory": load.total_memory,
        "disk": {"folder": str(space.folder), "free": space.free, "total": space.total} if space else None,
    }  # fmt: skip
