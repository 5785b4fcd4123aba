"""Another process loads a program that `torch.export` wrote, without tuitrain."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tuitrain.errors import RunError
from tuitrain.hosts.export import export
from tuitrain.runs.follower import Follower
from tuitrain.training.export.description import Input
from tuitrain.training.export.program import capture
from tuitrain.training.export.trained import load

HEAD = "import random\nimport torch\nfrom torch import nn\n"
LOAD = """
import sys, numpy, torch
network = torch.export.load("model.pt2", extra_files=(extra := {"description.json": ""})).module()
images = torch.from_numpy(numpy.load("images.npy"))
numpy.save("logits.npy", torch.cat([network(images[:1]), network(images[1:])]).detach().numpy())
assert "tuitrain" not in sys.modules
print(extra["description.json"])
"""


def own_network(folder: Path, forward: str) -> str:
    code = f"""
class Net(nn.Module):
    def __init__(self, classes, channels, image_size):
        super().__init__()
        self.head = nn.Linear(channels * image_size**2, classes)

    def forward(self, x):
        {forward}
"""
    (folder / "mine.py").write_text(HEAD + code)
    return f"model.name={folder / 'mine.py'}:Net"


def test_a_new_process_runs_the_program(train: Callable[..., Follower], tmp_path: Path) -> None:
    # Python's len gives the size of the example's batch, unless the export replaces it.
    run = train("training.epochs=1", own_network(tmp_path, "return self.head(x.view(len(x), -1))"))
    exported = export(run.folder, "torch-export", tmp_path / "out", as_folder=True, values="uint8")
    assert exported.check.startswith("checked on 256 test images: same class for all")
    assert {path.name for path in exported.files} == {"model.pt2", "model.json", "README.md"}
    pixels = np.random.default_rng(0).integers(0, 17, (5, 1, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "out" / "images.npy", pixels)
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    description = json.loads((tmp_path / "out" / "model.json").read_text())
    assert json.loads(done.stdout) == description
    assert description["input"] == {"name": "images", "shape": ["batch", 1, 8, 8], "type": "uint8", "values": "uint8"}
    info = run.folder.info()
    images = (torch.from_numpy(pixels) / description["preprocessing"]["value_range"][1] - info.mean[0]) / info.std[0]
    with torch.no_grad():
        expected = load(run.folder, "last").network(images)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "logits.npy"), expected.numpy(), atol=1e-4)


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) * (1 if x.sum() > 0 else 2)


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([image.flatten() for image in x])


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("no\nway" if x.ndim else "")


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Branches(), "branches on the values of the images"),
        (Fixed(), "fixes the number of images per batch"),
        (Failing(), "ValueError: no"),
    ],
)
def test_a_network_that_cannot_be_exported_gives_the_reason(network: nn.Module, reason: str) -> None:
    given = Input(shape=["batch", 1, 8, 8], type="float32", values="normalized")
    with pytest.raises(RunError, match=f"The network cannot be exported: (its forward pass )?{reason}") as caught:
        capture(network, given)
    assert "\n" not in str(caught.value)


def test_an_export_that_differs_from_the_run_leaves_nothing(train: Callable[..., Follower], tmp_path: Path) -> None:
    # Exporting turns Python's random number into a constant.
    run = train("training.epochs=1", own_network(tmp_path, "return self.head(x.flatten(1)) * random.random()"))
    with pytest.raises(RunError, match=r"differs from that of the run: by up to .* of 256 test images"):
        export(run.folder, "torch-export", tmp_path / "new" / "net.pt2")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "runs"}
