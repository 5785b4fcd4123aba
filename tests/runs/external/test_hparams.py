from math import inf
from pathlib import Path
from typing import Any

import pytest

from tuitrain.runs.external.hparams import LARGEST_FILE, MOST, by_setting, from_yaml

TOO_LARGE = b"a: 1\n# " + b"x" * LARGEST_FILE


@pytest.mark.parametrize(
    ("hparams", "settings"),
    [
        ({"lr": 0.1, "bs": 32.0}, {"optimizer.lr": 0.1, "data.batch_size": 32}),
        ({"lr": 1.0}, {"optimizer.lr": 1.0}),
        # Of two names of a setting, the first counts.
        ({"lr": 0.1, "learning_rate": 0.2}, {"optimizer.lr": 0.1}),
        # Names that are no setting, and values that do not fit one.
        (
            {"depth": 3.0, "width": 2.5, "huge": 2.0**53, "far": inf},
            {"depth": 3, "width": 2.5, "huge": 2.0**53, "far": inf},
        ),
        ({"bs": 2.5, "optimizer.momentum": "high", "none": None, "lr": None}, {"bs": 2.5}),
    ],
)
def test_hyperparameters_become_settings_where_they_fit(hparams: dict[str, Any], settings: dict[str, Any]) -> None:
    assert by_setting(hparams) == settings


def test_hyperparameters_of_a_yaml_file(tmp_path: Path) -> None:
    path = tmp_path / "hparams.yaml"
    path.write_text(
        "lr: 1e-3\nbig: 1_000\nname: resnet\nflag: yes\nold: false\nnone: null\nlist: [1, 2]\n"
        "a: {b: {c: {d: 4, e: {f: 5}}}}\n? [1]\n: 2\ntag: !!python/object:os.system {x: 1}\nhex: 0x10\n"
    )
    assert from_yaml(path) == {
        "lr": "1e-3", "big": 1000.0, "name": "resnet", "flag": True, "old": False, "none": None, "a/b/c/d": 4.0,
        "tag/x": 1.0, "hex": "0x10",
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"a: [", b"\xff: \x00", b"- 1\n- 2", b"[" * 10_000, TOO_LARGE])
def test_a_yaml_file_without_hyperparameters(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hparams.yaml"
    path.write_bytes(content)
    assert from_yaml(path) == {}
    path.unlink()
    assert from_yaml(path) == {}


def test_most_hyperparameters_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "hparams.yaml"
    path.write_text("".join(f"p{number}: {number}\n" for number in range(MOST + 5)) + f"{'x' * 300}: 1\n")
    assert list(from_yaml(path)) == [f"p{number}" for number in range(MOST)]
