import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tuitrain.errors import RunError
from tuitrain.training import checkpoint


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def test_load_returns_the_saved_state(tmp_path: Path) -> None:
    weight = torch.randn(3, 4)
    state = {
        "model": {"a.weight": weight, "half": weight.bfloat16(), "count": torch.tensor(7), "none": torch.zeros(0)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "param_groups": [{"lr": 0.1 + 0.2}]},
        "progress": {"epoch": 2**60, "lowest": None, "over": "é\n\x1b", "flag": True, "nested": [[], {}, [1, [2]]]},
        "views": {"row": weight[0], "transposed": weight.t(), "again": weight},
        "mask": torch.tensor([True, False]),
    }
    checkpoint.save(tmp_path / "last.safetensors", state)
    assert same(checkpoint.load(tmp_path / "last.safetensors"), state)


def test_tuples_become_lists(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x", {"betas": (0.9, torch.ones(2))})
    assert same(checkpoint.load(tmp_path / "x"), {"betas": [0.9, torch.ones(2)]})


def test_saving_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    for value in range(3):
        checkpoint.save(path, {"value": value})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert checkpoint.load(path) == {"value": 2}


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"value": 1})

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    # The library that writes the file, syncing it, and giving it its name.
    for owner, name in ((checkpoint, "save_file"), (os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(OSError, match="Input/output error"):
                checkpoint.save(path, {"value": 2})
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert checkpoint.load(path) == {"value": 1}


def test_others_may_read_a_checkpoint_like_the_rest_of_the_folder(tmp_path: Path) -> None:
    for mode in (0o755, 0o700, 0o775):
        tmp_path.chmod(mode)
        checkpoint.save(tmp_path / "last.safetensors", {"value": 1})
        assert (tmp_path / "last.safetensors").stat().st_mode & 0o777 == mode & 0o666


def test_saving_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        checkpoint.save(tmp_path / "gone" / "last.safetensors", {"value": torch.ones(1)})


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"The checkpoint last\.safetensors is missing in"):
        checkpoint.load(tmp_path / "last.safetensors")
    with pytest.raises(RunError, match="is missing in"):
        checkpoint.load(tmp_path)


def example_state() -> dict[str, Any]:
    return {"model": {"weight": torch.randn(64, 64)}, "progress": {"epoch": 3}}


@pytest.mark.parametrize("size", [0, 4, 8, 100, 500, 10_000])
def test_truncated_checkpoint(tmp_path: Path, size: int) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, example_state())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"tensor":"gone"}', '{"dict":[[{"dict":[]},1]]}', '{"dict":7}', '{"list":[1],"dict":[]}',
     '{"list":null}', '{"tensor":7}', "{}", '{"list":' * 50_000],
)  # fmt: skip
def test_invalid_metadata(tmp_path: Path, text: str) -> None:
    path = tmp_path / "last.safetensors"
    save_file({"weight": torch.ones(2)}, path, {"state": text})
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path)


def test_a_safetensors_file_without_metadata(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    torch.save(example_state(), path)
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path)


def draws() -> list[float]:
    return [
        *torch.randn(3).tolist(), *torch.randperm(9).tolist(), *np.random.rand(3), np.random.standard_normal(),
        random.random(), random.gauss(0, 1),
    ]  # fmt: skip


def test_restoring_the_rng_state_repeats_the_random_numbers(tmp_path: Path) -> None:
    device = torch.device("cpu")
    # NumPy and Python draw normal numbers in pairs: an odd number of draws leaves one cached.
    draws()
    checkpoint.save(tmp_path / "rng", checkpoint.rng_state(device))
    expected = draws()
    assert draws() != expected
    checkpoint.set_rng_state(checkpoint.load(tmp_path / "rng"), device)
    assert draws() == expected


def test_a_checkpoint_larger_than_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"model": {"weight": torch.zeros(2)}})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    size = 64 * 10**9
    header["model.weight"] = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    # A sparse file: it takes no space on the disk.
    os.truncate(path, 8 + len(text) + size)
    with pytest.raises(RunError, match=r"takes 64\.0 GB, but only .* GB of memory are free"):
        checkpoint.load(path)


@pytest.mark.parametrize("error", [MemoryError("x"), RuntimeError("DefaultCPUAllocator: not enough memory")])
def test_a_tensor_that_cannot_be_allocated_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"model": {"weight": torch.zeros(2)}})

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(checkpoint, "_unflatten", fail)
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path)


def test_a_checkpoint_without_permission_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"model": {"weight": torch.zeros(2)}})

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RunError, match=r"cannot be read: Permission denied\.$"):
        checkpoint.load(path)
