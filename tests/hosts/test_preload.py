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


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are preloaded on Linux only")
def test_torch_works_with_preloaded_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
