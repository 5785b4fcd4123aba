"""Decode images once into a cache file, and read them from there."""

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forked import server
from training.data.deep_images import write_png
from training.data.image_folders import CPU, classes_of, images, noise, read
from tuitrain.config.data.schema import Data
from tuitrain.image_folder.pixel_files import cache_folder, pixel_files
from tuitrain.runs.records import RunInfo
from tuitrain.training import device
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.load import load
from tuitrain.training.data.pixel_cache import CachedSplit
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit

SPLITS = ("train", "validation", "test")


def write_and_hang(folder: Path, environment: dict[str, str], decoding: Event) -> None:
    """Decode the folder into the cache, set `decoding` after 30 images, and then wait for ever."""
    os.environ |= environment
    call, numbers = ImageReader.__call__, itertools.count()

    def slow(self: ImageReader, path: str) -> torch.Tensor:
        if next(numbers) == 30:
            decoding.set()
            time.sleep(600)
        return call(self, path)

    ImageReader.__call__ = slow  # type: ignore[method-assign]
    read(folder, storage="cache")


def gathered(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1))
    some, labels = zip(*split.batches(order, 7), strict=True)
    return torch.cat(some), torch.cat(labels)


def assert_same(one: Dataset, other: Dataset) -> None:
    assert (one.normalization, one.notes, one.classes) == (other.normalization, other.notes, other.classes)
    for name in SPLITS:
        first, second = getattr(one, name), getattr(other, name)
        assert (first.fingerprint, list(first.files)) == (second.fingerprint, list(second.files))
        for expected, given in zip(gathered(first), gathered(second), strict=True):
            assert torch.equal(expected, given)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    paths: list[str] = []
    call = ImageReader.__call__

    def noted(self: ImageReader, path: str) -> torch.Tensor:
        paths.append(path)
        return call(self, path)

    monkeypatch.setattr(ImageReader, "__call__", noted)
    return paths


def remains() -> list[str]:
    return [path.name for path in cache_folder().iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_cached_images_are_those_in_memory_and_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    folder = classes_of(tmp_path / "images", {"ant": 20, "bee": 30}, mode)
    for damaged in (folder / "ant/003.png", folder / "bee/007.png"):
        damaged.write_text("not an image")
    held, written = read(folder, storage="memory"), read(folder, storage="cache")
    assert isinstance(written.train, CachedSplit)
    assert_same(written, held)
    reads = count_reads(monkeypatch)
    # The splits of another seed are other rows of the same file.
    for seed in (0, 5):
        assert_same(read(folder, seed, storage="cache"), read(folder, seed, storage="memory"))
        reads[:] = reads[50:]
        assert reads == []
    (file,) = pixel_files()
    assert (file.header.folder, file.header.count) == (str(folder), 50)
    assert remains() == [file.path.name]


@pytest.mark.parametrize("change", [
    lambda path: noise(path, 99, size=(17, 19)), lambda path: path.unlink(), lambda path: os.utime(path, (1, 1)),
    lambda path: shutil.copy(path, path.with_name("copy.png")),
])  # fmt: skip
def test_changed_images_are_decoded_again(folder: Path, change: Callable[[Path], object]) -> None:
    read(folder, storage="cache")
    change(folder / "bee/003.png")
    assert_same(read(folder, storage="cache"), read(folder, storage="memory"))
    assert len(pixel_files()) == 2


@pytest.mark.parametrize("settings", [{"image_size": 9}, {"channels": "grey"}])
def test_settings_that_change_pixels_have_their_own_file(folder: Path, settings: dict[str, Any]) -> None:
    read(folder, storage="cache")
    assert_same(read(folder, storage="cache", **settings), read(folder, storage="memory", **settings))
    assert len(pixel_files()) == 2


@pytest.mark.parametrize("damage", [
    lambda content: content[:-1] + bytes([content[-1] ^ 1]), lambda content: content[:-100], lambda _: b"",
    lambda content: b"\0" * len(content),
])  # fmt: skip
def test_a_damaged_file_is_written_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    read(folder, storage="cache")
    (file,) = pixel_files()
    whole = file.path.read_bytes()
    file.path.write_bytes(damage(whole))
    assert_same(read(folder, storage="cache"), read(folder, storage="memory"))
    assert file.path.read_bytes() == whole
    assert remains() == [file.path.name]


def test_a_killed_writer_leaves_nothing_and_another_process_waits_for_it(folder: Path) -> None:
    decoding = server.Event()
    writer = server.Process(target=write_and_hang, args=(folder, dict(os.environ), decoding))
    writer.start()
    assert decoding.wait(60)
    said: list[str] = []

    def progress(doing: str, _: float | None) -> None:
        said.append(doing)
        if doing.startswith("waiting for another process"):
            assert pixel_files() == []
            writer.kill()
            writer.join()

    config = Data(dataset="image-folder", dir=str(folder), image_size=8, storage="cache")
    data = load(config, 0, CPU, progress)
    assert any(doing.startswith("waiting") for doing in said)
    assert_same(data, read(folder, storage="memory"))
    assert remains() == [pixel_files()[0].path.name]


def test_what_another_process_has_written_meanwhile_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(folder, storage="cache")
    (file,) = pixel_files()
    content = file.path.read_bytes()
    file.path.unlink()
    reads = count_reads(monkeypatch)

    @contextmanager
    def locked(path: Path, wait: object) -> Iterator[bool]:  # noqa: ARG001
        path.write_bytes(content)
        yield True

    monkeypatch.setattr("tuitrain.image_folder.pixel_files.locked", locked)
    assert isinstance(read(folder, storage="cache").train, CachedSplit)
    assert reads == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_means_streaming(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    write, calls = os.pwrite, []

    def full(descriptor: int, content: bytes, position: int) -> int:
        calls.append(1)
        if len(calls) > 20:
            raise OSError(number, os.strerror(number))
        return write(descriptor, content[:100], position)

    monkeypatch.setattr(os, "pwrite", full)
    data = read(folder, storage="cache")
    assert isinstance(data.train, StreamedSplit)
    assert data.notes[-1].startswith("the images are streamed instead of cached: writing ")
    assert data.notes[-1].endswith(os.strerror(number))
    assert remains() == []


def test_a_disk_that_is_too_small_is_not_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    reads = count_reads(monkeypatch)
    data = read(folder, storage="cache")
    assert data.notes[-1].endswith("No space left on device")
    # Only the sample that the normalization is computed from, and the images of validation and test, were read.
    assert len(reads) < 120


def test_a_cache_folder_that_cannot_be_written_means_streaming(folder: Path) -> None:
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file")
    assert isinstance(read(folder, storage="cache").train, StreamedSplit)


def test_the_limit_removes_the_least_recently_used(folder: Path, tmp_path: Path) -> None:
    other = classes_of(tmp_path / "other", {"cat": 20, "ant": 40}, first=500)
    data = read(folder, storage="cache")
    (first,) = pixel_files()
    read(other, storage="cache", cache_gb=first.size * 1.5 / 1e9)
    assert [file.header.folder for file in pixel_files()] == [str(other)]
    # The run that still uses the removed file keeps it open.
    assert_same(data, read(folder, storage="memory"))
    small = read(folder, storage="cache", cache_gb=first.size * 0.9 / 1e9)
    assert isinstance(small.train, StreamedSplit)
    assert "data.cache_gb = " in small.notes[-1]
    assert len(pixel_files()) == 1


def deep_folder(folder: Path, suffix: str = "png") -> Path:
    """Write images of 12 bits, one of which in the class c has more."""
    for name in "abc":
        for number in range(10):
            path = folder / name / f"{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            most = 4096 if (name, number) != ("c", 0) else 60_000
            write_png(path, np.random.default_rng(number).integers(0, most, (8, 8, 3), dtype=np.uint16))
    return folder


@pytest.mark.parametrize("value_range", [None, (0.0, 2047.0)])
def test_images_with_more_than_8_bits_are_cached(
    tmp_path: Path, value_range: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = deep_folder(tmp_path)
    held, written = (read(folder, storage=kept, value_range=value_range) for kept in ("memory", "cache"))
    reads = count_reads(monkeypatch)
    again = read(folder, storage="cache", value_range=value_range)
    assert reads == []
    assert isinstance(again.train, CachedSplit)
    for data in (written, again):
        assert_same(held, data)
        assert data.value_ranges == held.value_ranges != {}
    assert any(note.startswith("30 images have 16-bit values") for note in held.notes)
    assert not value_range or any("of them have values beyond" in note for note in held.notes)


def test_the_value_range_belongs_to_the_key(tmp_path: Path) -> None:
    folder = deep_folder(tmp_path)
    low, high = (read(folder, storage="cache", value_range=(0.0, high)) for high in (2047.0, 8191.0))
    assert len(pixel_files()) == 2
    assert not torch.equal(gathered(low.train)[0], gathered(high.train)[0])
    # Images of 8 bits have no range.
    plain = classes_of(tmp_path.parent / "plain", {"a": 5, "b": 5})
    for high_value in (2047.0, 8191.0):
        read(plain, storage="cache", value_range=(0.0, high_value))
    assert len(pixel_files()) == 3


def test_deep_images_with_the_suffix_of_jpegs_are_streamed(tmp_path: Path) -> None:
    data = read(deep_folder(tmp_path, "jpg"), storage="cache")
    assert isinstance(data.train, StreamedSplit)
    assert any("streamed instead of cached: files with the suffix of JPEGs have 16-bit" in note for note in data.notes)
    assert remains() == []


@pytest.mark.parametrize(("free", "gigabytes", "kind"), [
    (10**9, 20.0, MemorySplit), (10**4, 20.0, CachedSplit), (10**4, 0.0, StreamedSplit),
])  # fmt: skip
def test_auto_prefers_memory_then_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, gigabytes: float, kind: type
) -> None:
    monkeypatch.setattr(device, "free_memory", lambda _: free)
    data = read(folder, cache_gb=gigabytes)
    assert isinstance(data.train, kind)
    assert data.kept.startswith(
        {MemorySplit: "kept in memory as uint8: ", CachedSplit: "kept as uint8 in "}.get(kind, "streamed")
    )
    # 60 images of 3x8x8 bytes fit into half of 23,041 bytes, not into half of 23,040.
    monkeypatch.setattr(device, "free_memory", lambda _: 23_041)
    assert isinstance(read(folder).train, MemorySplit)
    monkeypatch.setattr(device, "free_memory", lambda _: 23_040)
    assert isinstance(read(folder).train, CachedSplit)


@pytest.mark.parametrize("kept", ["memory", "cache", "stream"])
def test_an_evaluation_reads_its_split_alone(folder: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    whole = read(folder, storage=kept)
    record = RunInfo(id="", name="", classes=list(whole.classes), shape=whole.shape, mean=list(whole.mean),
                     std=list(whole.std), value_ranges={})  # fmt: skip
    config = Data(dataset="image-folder", dir=str(folder), image_size=8, storage=kept)  # type: ignore[arg-type]
    expected = gathered(whole.test)
    reads = count_reads(monkeypatch)
    data = load(config, 0, CPU, before=record, only="test")
    assert all(map(torch.equal, gathered(data.test), expected))
    assert set(reads) <= set(data.test.files)
    assert (data.normalization, data.test.fingerprint) == (whole.normalization, whole.test.fingerprint)
    assert len(data.train) == len(whole.train)
    if kept == "memory":
        assert torch.equal(images(data.test), images(whole.test))


def test_crops_of_whole_photos_are_those_in_memory(folder: Path) -> None:
    """Training keeps larger images than the evaluation, so there are two files."""
    settings: dict[str, Any] = {"augment": ("random-resized-crop",)}
    held, written, again = (read(folder, storage=kept, **settings) for kept in ("memory", "cache", "cache"))
    assert len(pixel_files()) == 2
    for name in SPLITS:
        found = []
        for data in (held, written, again):
            torch.manual_seed(4)
            found.append(gathered(getattr(data, name)))
        assert found[0][0].shape[1:] == (3, 8, 8)
        assert all(torch.equal(one, found[0][0]) for one, _ in found)
