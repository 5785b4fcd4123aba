"""Check the GPUs: those that the driver lists, and those that torch can use."""

from collections.abc import Iterator

from tuitrain.hosts.doctor.finding import Finding
from tuitrain.hosts.doctor.packages import Torch
from tuitrain.machine.gpus import Gpus, usable_gpus
from tuitrain.text import listed, plain


def check_gpus(gpus: Gpus, torch: Torch) -> Iterator[Finding]:
    names = [plain(name, 60) for name in torch.gpus]
    if names:
        yield Finding("GPUs", listed(names))
    elif torch.mps:
        yield Finding("GPUs", "Apple's, as training.device = mps")
    elif usable_gpus(gpus) and not torch.problem:
        yield _unused(gpus, torch)
    elif not gpus.devices:
        yield Finding("GPUs", "none: runs train on the CPU", "note", gpus.problem)
    for gpu in gpus.devices:
        if gpu.problem:
            yield Finding("GPUs", f"gpu {gpu.index} does not work", "problem", plain(gpu.problem))
    if hidden := sum(not gpu.visible for gpu in gpus.devices):
        yield Finding("GPUs", f"CUDA_VISIBLE_DEVICES hides {hidden} of {len(gpus.devices)}")


def _unused(gpus: Gpus, torch: Torch) -> Finding:
    """Say why torch uses none of the GPUs that the driver lists."""
    count = len(usable_gpus(gpus))
    text = f"torch uses none of the {count} that the NVIDIA driver {gpus.driver} lists"
    install = "uv pip install torch torchvision --torch-backend=auto"
    if torch.built_for:
        build = f"This torch is built for CUDA {plain(torch.built_for, 20)}."
        advice = f"{build} Update the driver, or install a torch for the CUDA of the driver: {install}"
    else:
        advice = f"This torch is a build for the CPU. Install one for CUDA: {install}"
    return Finding("GPUs", text, "problem", advice)
