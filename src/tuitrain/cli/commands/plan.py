"""`tuitrain plan`: tell whether a run fits into the memory and how long it takes."""

import argparse
import sys
from typing import Any

from tuitrain.analysis import units
from tuitrain.analysis.memory import Need, operations
from tuitrain.cli.commands.train import given_config
from tuitrain.cli.output import print_json, print_line, progress
from tuitrain.config.devices import is_distributed
from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.hosts.plan import Plan
from tuitrain.hosts.plan_process import plan_run
from tuitrain.text import counted, plain, size


def run(options: argparse.Namespace) -> int:
    config, _ = given_config(options)
    with progress() as show:
        plan = plan_run(config, options.runs_dir, show)
    if options.json:
        print_json(document(plan))
    else:
        for name, text in lines(plan, config):
            print_line(f"{name:<9} {text}")
    sys.stdout.flush()
    return 0 if plan.need.fits else 1


def lines(plan: Plan, config: Config) -> list[tuple[str, str]]:
    """Return the names and texts of the lines that `tuitrain plan` prints."""
    need, step = plan.need, plan.need.step
    trained = "" if step.trainable == step.parameters else f", {units.count(step.trainable)} of them trained"
    batches = f" x {plan.accumulate:,} batches" if plan.accumulate > 1 else ""
    parts = " · ".join(f"{name} {size(amount)}" for name, amount in memory_parts(need).items() if amount)
    free = "" if need.free is None else f", and {size(need.free)} are free on {need.device}"
    fits = "it fits" if need.fits else "it does not fit"
    found = [
        ("network", f"{plain(config.model.name, 80)} · {units.count(step.parameters)} parameters{trained}"),
        ("step", f"{counted(need.batch_size, 'image')}{batches} · {operations(step.flops)}"),
        ("memory", parts),
        ("peak", f"{size(step.training)} in training · {size(step.evaluation)} in an evaluation"),
        ("needs", f"{size(need.total)} with a margin{free}: {fits}"),
    ]
    if is_distributed(config):
        nodes, devices = config.training.nodes, config.training.devices or "1"
        each = f"{devices} on each of {nodes} nodes" if nodes > 1 else f"training.devices = {devices}"
        found.append(("note", f"one device of this machine with the whole batch, which {each} share"))
    if times := plan.times:
        epochs = counted(plan.epochs, "epoch")
        per_step, per_epoch = f"{_time(times.step)} per step", f"{_time(times.epoch)} per epoch"
        found.append(("time", f"{per_step} · {per_epoch} · {_time(times.run)} for {epochs}"))
        found.append(("measured", f"{times.steps} {'batches' if batches else 'steps'} on {plain(times.images)}"))
    elif plan.problem:
        found.append(("time", f"unknown: {plain(plan.problem)}"))
    elif plan.fitting:
        changes = " ".join(f"--set {key}={format_value(value)}" for key, value in plan.fitting.items())
        found.append(("instead", changes))
    return found


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else units.duration(seconds)


def memory_parts(need: Need) -> dict[str, int]:
    """Return the bytes of each part of the memory, by its name."""
    step = need.step
    return {
        "weights": step.weights,
        "gradients": step.gradients,
        "optimizer": step.optimizer,
        "average": step.average,
        "inputs": step.inputs,
        "activations": step.activations,
        "temporaries": step.temporaries,
        "images": need.images,
    }


def document(plan: Plan) -> dict[str, Any]:
    """Return the document that `tuitrain plan --json` prints."""
    need, times = plan.need, plan.times
    return {
        "device": need.device,
        "batch_size": need.batch_size,
        "accumulate": plan.accumulate,
        "parameters": need.step.parameters,
        "trainable_parameters": need.step.trainable,
        "flops_per_step": need.step.flops,
        "memory": memory_parts(need),
        "peak": {"training": need.step.training, "evaluation": need.step.evaluation},
        "needed": need.total,
        "free": need.free,
        "fits": need.fits,
        "steps_per_epoch": plan.steps_per_epoch,
        "seconds_per_step": times and times.step,
        "seconds_per_epoch": times and times.epoch,
        "seconds": times and times.run,
        "measured_steps": times.steps if times else 0,
        "measured_images": times and times.images,
        "problem": plan.problem,
        "fitting": plan.fitting,
    }
