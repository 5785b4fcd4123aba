"""What logging costs a training script, compared with other loggers.

    uv run --with wandb,trackio,extty,tensorboard,lightning python benchmarks/logger.py [--quick] [--write]

Each logger runs in processes of its own, in turn: torch is loaded, the logger is imported, and a loop logs five values
per step, with a pause of half a millisecond in place of a training step. Loggers that are not installed are left out.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec

from claims import Claim, at_most, figure, report

STEPS, ROUNDS, QUICK = 2000, 7, 3
MEASURE = """\
import json, sys, time
import torch
begun = time.perf_counter()
{load}
imported = time.perf_counter() - begun
begun = time.perf_counter()
{start}
started = time.perf_counter() - begun
values = {{"train/loss": 0.5, "train/accuracy": 0.25, "lr": 0.1, "grad_norm": 2.0, "epoch": 1.0}}
spent = 0.0
for step in range(%d):
    values["train/loss"] = 1.0 / (step + 1)
    time.sleep(0.0005)
    begun = time.perf_counter()
    {log}
    spent += time.perf_counter() - begun
{end}
sys.stdout.write("\\n" + json.dumps([imported, started, spent / %d]))
""" % (STEPS, STEPS)  # noqa: UP031
# By name: the module that must be installed, and how to load, start, log with and end it.
LOGGERS = {
    "tuitrain": ("tuitrain", "import tuitrain", "run = tuitrain.init()", "run.log(values, step=step)", "run.finish()"),
    "wandb, offline": (
        "wandb",
        "import wandb",
        "run = wandb.init(mode='offline', settings=wandb.Settings(console='off', silent=True))",
        "run.log(values, step=step)",
        "run.finish()",
    ),
    "trackio": (
        "trackio",
        "import trackio",
        "trackio.init(project='benchmark')",
        "trackio.log(values, step=step)",
        "trackio.finish()",
    ),
    "extty": (
        "extty",
        "import extty",
        "extty.init('benchmark')",
        "extty.log(values, step=step)",
        "extty.finish()",
    ),
    "TensorBoard's SummaryWriter": (
        "tensorboard",
        "from torch.utils.tensorboard import SummaryWriter",
        "writer = SummaryWriter('events')",
        "[writer.add_scalar(name, value, step) for name, value in values.items()]",
        "writer.close()",
    ),
    "Lightning's CSVLogger": (
        "lightning",
        "from lightning.pytorch.loggers import CSVLogger",
        "logger = CSVLogger('csv')",
        "logger.log_metrics(values, step)",
        "logger.save()",
    ),
}


def measure(name: str) -> list[float]:
    """Return the seconds that the import and the start of a run take, and the mean seconds of a call."""
    _, load, start, log, end = LOGGERS[name]
    source = MEASURE.format(load=load, start=start, log=log, end=end)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, check=False, timeout=300,
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "TRACKIO_DIR": folder, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times


def claims(quick: bool) -> list[Claim]:
    installed = [name for name, (module, *_) in LOGGERS.items() if find_spec(module)]
    for name in sorted(LOGGERS.keys() - installed):
        sys.stderr.write(f"left out, because it is not installed: {name}\n")
    rounds = QUICK if quick else ROUNDS
    # The first process of each compiles bytecode.
    measured = [{name: measure(name) for name in installed} for _ in range(rounds + 1)][1:]
    imports, starts, calls = (
        {name: statistics.median(one[name][which] for one in measured) for name in installed} for which in range(3)
    )
    others = [name for name in installed if name != "tuitrain"]
    return [
        at_most(f"log five values, mean of {STEPS:,} calls, n={rounds}", 20, 1e6 * calls["tuitrain"], "µs"),
        *(figure(f"the same with {name}", 1e6 * calls[name], "µs") for name in others),
        at_most("import tuitrain beside torch", 50, 1000 * imports["tuitrain"], "ms"),
        *(figure(f"import {name}", 1000 * imports[name], "ms") for name in others),
        *(figure(f"start a run: {name}", 1000 * starts[name], "ms") for name in installed),
    ]


if __name__ == "__main__":
    report(__file__, claims)
