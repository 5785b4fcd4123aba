import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.training import device as devices

Quick = Callable[..., Config]
CPU = torch.device("cpu")
no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")


def test_choose_cpu() -> None:
    assert devices.choose_device("cpu") == CPU


@no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_missing_cuda_device(name: str) -> None:
    with pytest.raises(ConfigError, match=f"training.device = {name}: torch sees no CUDA device") as caught:
        devices.choose_device(name)
    assert caught.value.key == "training.device"
    assert caught.value.hint


@no_cuda
def test_auto_without_cuda() -> None:
    assert devices.choose_device("auto").type == ("mps" if torch.backends.mps.is_available() else "cpu")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has MPS")
def test_missing_mps_device() -> None:
    with pytest.raises(ConfigError, match=r"training\.device = mps"):
        devices.choose_device("mps")


def test_configured_number_of_threads(quick: Quick) -> None:
    assert devices.configure_torch(quick("training.threads=3"), CPU) == 3
    assert torch.get_num_threads() == 3


def test_default_number_of_threads(quick: Quick) -> None:
    threads = devices.configure_torch(quick("training.threads=none"), CPU)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert threads == torch.get_num_threads() == max(1, min(4, cores - 1))


# Prints the variables at the moment when torch is imported.
PRINT_AT_IMPORT = """\
import os, sys
class Finder:
    def find_spec(name, path, target):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("THP_MEM_ALLOC_ENABLE"))
            sys.exit()
sys.meta_path.insert(0, Finder)
import tuitrain.training
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1000 1"),
        ({"GOMP_SPINCOUNT": "7", "THP_MEM_ALLOC_ENABLE": "0"}, "7 0"),
        ({"OMP_WAIT_POLICY": "active"}, "None 1"),
    ],
    ids=["default", "set by the user", "other policy"],
)
def test_spin_count_and_large_pages_are_set_before_torch_is_imported(given: dict[str, str], expected: str) -> None:
    unset = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_AT_IMPORT], env=environment | given, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{expected}\n"


def test_denormal_numbers_are_flushed_to_zero(quick: Quick) -> None:
    smallest = torch.tensor(2.0**-126)
    assert (smallest / 4).item() > 0
    devices.configure_torch(quick(), CPU)
    assert (smallest / 4).item() == 0


def test_deterministic_mode_ends_with_the_next_run(quick: Quick) -> None:
    devices.configure_torch(quick("training.deterministic=true"), CPU)
    assert torch.are_deterministic_algorithms_enabled()
    devices.configure_torch(quick(), CPU)
    assert not torch.are_deterministic_algorithms_enabled()


def test_description_and_memory() -> None:
    assert devices.describe_device(CPU).startswith("cpu ")
    # torch alone takes more than 50 MB.
    assert devices.memory_in_use(CPU) > 50e6
