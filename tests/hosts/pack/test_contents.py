import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hosts.pack.conftest import silent
from tuitrain.config.schema import Config
from tuitrain.config.toml import loads
from tuitrain.config.values import override
from tuitrain.errors import TuitrainError
from tuitrain.hosts.pack.bundle import write_items
from tuitrain.hosts.pack.contents import Contents, collect
from tuitrain.hosts.paths import with_absolute_paths
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import WeightsInfo


def packed(*settings: str, runs_dir: Path = Path("runs"), original: str = "") -> Contents:
    return collect(with_absolute_paths(override(Config(), settings), runs_dir), original, silent)


def content(contents: Contents, to: Path) -> dict[str, bytes]:
    """Unpack the contents as tar does, and return the files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        write_items(archive, contents.items)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        archive.extractall(to, filter="data")
    return {str(file.relative_to(to)): file.read_bytes() for file in to.rglob("*") if file.is_file()}


def settings(files: dict[str, bytes]) -> Config:
    return loads(files["run.toml"].decode())


def test_digits_and_comments(tmp_path: Path) -> None:
    contents = packed("optimizer.lr=0.5", original="# mine\n[optimizer]\nlr = 0.5 # high\n")
    files = content(contents, tmp_path)
    assert list(files) == ["run.toml"]
    assert files["run.toml"].startswith(b"# mine\n[optimizer]\nlr = 0.5 # high\n")
    assert settings(files) == override(Config(), ["optimizer.lr=0.5"])
    assert contents.packed[0] == ("digits, built in", 0)
    assert not contents.notes


def test_code_lies_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("it's a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my net.py").write_text(f"def {folder[-1]}(): raise SystemExit('must not run')\n")
    contents = packed("model.name=it's a/my net.py:a", "data.dataset=b/my net.py:b", "data.transform=b/my net.py:b")
    files = content(contents, tmp_path / "out")
    config = settings(files)
    assert files["code/my net.py"] != files["code/my net-1.py"]
    assert config.data.dataset == config.data.transform
    for spec in (config.model.name, config.data.dataset):
        file, _, name = spec.rpartition(":")
        assert f"def {name}()".encode() in files[file]
    assert len(contents.notes) == 3
    assert contents.notes[-1].startswith("The images that your data set reads")


def test_weights_of_a_file_and_of_a_run(tmp_path: Path, write_run: Callable[..., RunFolder]) -> None:
    file = tmp_path / 'it\'s "best".safetensors'
    file.write_bytes(b"file")
    files = content(packed(f"model.weights={file}"), tmp_path / "1")
    assert files[settings(files).model.weights or ""] == b"file"
    run = write_run("first")
    run.checkpoints.mkdir(exist_ok=True)
    (run.checkpoints / "best.safetensors").write_bytes(b"run")
    files = content(packed("model.weights=run:first", runs_dir=run.path.parent), tmp_path / "2")
    path = Path(settings(files).model.weights or "")
    assert files[str(path)] == b"run"
    assert RunFolder(tmp_path / "2" / path.parent.parent).info() == run.info()


def test_pretrained_weights_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    files = content(packed("model.name=resnet18", "model.weights=pretrained"), tmp_path / "out")
    assert files["cache/torch/hub/checkpoints/resnet18-f37072fd.pth"] == b"weights"
    assert settings(files).model.weights == "pretrained"


@pytest.mark.parametrize("links", [True, False])
def test_the_hub_finds_packed_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    from huggingface_hub import hf_hub_download

    from tuitrain.training.weights import find

    repository = tmp_path / "hub/models--timm--net"
    snapshot = repository / "snapshots/abc"
    for folder in (repository / "blobs", repository / "refs", snapshot, repository / "snapshots/old"):
        folder.mkdir(parents=True)
    (repository / "refs/main").write_text("abc")
    (repository / "snapshots/old/model.safetensors").write_bytes(b"old")
    (repository / "blobs/123").write_bytes(b"weights")
    if links:
        (snapshot / "model.safetensors").symlink_to("../../blobs/123")
    else:
        (snapshot / "model.safetensors").write_bytes(b"weights")
    found = find.WeightsFile(snapshot / "model.safetensors", WeightsInfo())
    monkeypatch.setattr(find, "find_weights", lambda *_: found)
    content(packed("model.name=timm/net", "model.weights=pretrained"), tmp_path / "out")
    cache = tmp_path / "out/cache/huggingface/hub"
    path = Path(hf_hub_download("timm/net", "model.safetensors", cache_dir=cache, local_files_only=True))
    assert path.read_bytes() == b"weights"
    assert path.is_symlink() == links
    assert not (cache / "models--timm--net/snapshots/old").exists()


def test_arrays_go_to_the_cache(tmp_path: Path) -> None:
    raw = tmp_path / "data/MNIST/raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        image, label = np.zeros(28 * 28, np.uint8).tobytes(), b"\x07"
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]) + image
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1]) + label)
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(b"the same, packed")
    files = content(packed("data.dataset=mnist", f"data.dir={tmp_path}/data"), tmp_path / "out")
    assert sorted(files) == [
        *(
            f"cache/tuitrain/data/MNIST/raw/{part}-{what}-ubyte"
            for part in ("t10k", "train")
            for what in ("images-idx3", "labels-idx1")
        ),
        "run.toml",
    ]
    assert settings(files).data.dir is None
    (raw / "train-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(TuitrainError, match="train-labels-idx1-ubyte is damaged or cut short"):
        packed("data.dataset=mnist", f"data.dir={tmp_path}/data")


def test_photos_go_to_the_cache_without_their_archives(tmp_path: Path) -> None:
    folder = tmp_path / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / 'images/it\'s "1".jpg').write_bytes(b"jpeg")
    (folder / "images.tar.gz").write_bytes(b"archive")
    files = content(packed("data.dataset=oxford-pets", f"data.dir={tmp_path}"), tmp_path / "out")
    assert set(files) == {'cache/tuitrain/data/oxford-iiit-pet/images/it\'s "1".jpg', "run.toml"}
    assert settings(files).data.dir is None


def test_own_images_are_not_packed(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    folder.mkdir()
    contents = packed("data.dataset=image-folder", f"data.dir={folder}", "data.labels=labels.csv")
    files = content(contents, tmp_path / "out")
    assert list(files) == ["run.toml"]
    assert settings(files).data.dir == str(folder)
    (note,) = contents.notes
    quoted = f"'{tmp_path}/it'\"'\"'s mine/'"
    assert f"rsync -a {quoted} SERVER:{quoted}; rsync -a {Path.cwd()}/labels.csv SERVER:" in note


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.name=missing.py:Net", "missing.py of model.name cannot be read"),
        ("model.weights=missing.safetensors", "there is no file .*missing.safetensors"),
        ("model.weights=run:none", "model.weights = run:none: "),
        ("model.weights=pretrained", "There are no pretrained weights of mlp"),
    ],
)
def test_missing_files_are_refused(setting: str, words: str) -> None:
    with pytest.raises(TuitrainError, match=words):
        packed(setting)
