"""Loading torch's libraries ahead of torch."""

import subprocess
import sys

import pytest

CODE = """
import sys
from tuitrain.hosts.preload import LIBRARIES, load_libraries
load_libraries()
assert "torch" not in sys.modules
maps = open("/proc/self/maps").read()
assert all(name in maps for name, _ in LIBRARIES), maps
import torch
assert (torch.ones(2, 3) @ torch.ones(3)).tolist() == [3.0, 3.0]
load_libraries()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there are they loaded so")
def test_the_libraries_are_there_before_torch_which_works_with_them() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
