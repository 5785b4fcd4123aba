import errno
import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import open_to_read, replace
from tuitrain.runs import files
from tuitrain.runs.files import CHUNK, LARGEST, new_folder, overwrite, read, read_json, read_lines


class Small(Struct):
    number: int


@pytest.mark.parametrize("sync", [False, True])
def test_replacing_leaves_the_new_content_and_nothing_else(tmp_path: Path, sync: bool) -> None:
    for content in (b"first", b"the second, longer", b""):
        replace(tmp_path / "file", content, sync=sync)
        assert read(tmp_path / "file") == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("sync", [False, True])
def test_a_synced_file_is_on_disk_before_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    synced: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "file").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace(tmp_path / "file", b"content", sync=sync)
    inodes = [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]
    assert synced == (list(zip(inodes, [False, True], strict=True)) if sync else [])


@pytest.mark.parametrize(
    ("content", "longest", "lines", "end"),
    [
        (b"", 8, [], 0), (b"ab", 8, [], 0), (b"ab\n", 8, [b"ab"], 3), (b"ab\n\ncd\ne", 8, [b"ab", b"", b"cd"], 7),
        # A line without an end that is too long.
        (b"1234567", 8, [], 0), (b"12345678", 8, [b""], 8),
    ],
)  # fmt: skip
def test_lines_of_a_growing_file(tmp_path: Path, content: bytes, longest: int, lines: list[bytes], end: int) -> None:
    path = tmp_path / "file"
    assert read_lines(path, 5, longest) == ([], 5)
    path.write_bytes(b"x\n" + content)
    assert read_lines(path, 2, longest) == (lines, 2 + end)


def test_a_line_longer_than_a_chunk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (2 * CHUNK) + b"\nend\n")
    assert read_lines(path, 0, 4 * CHUNK) == ([b"x" * 2 * CHUNK, b"end"], 2 * CHUNK + 5)
    path.write_bytes(b"x" * (5 * CHUNK))
    assert read_lines(path, 0, 4 * CHUNK) == ([b""], 4 * CHUNK)
    assert read_lines(path, 4 * CHUNK, 4 * CHUNK) == ([], 4 * CHUNK)


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([48 + number]) * (1 + number * 40_000) for number in range(4)]
    replace(path, contents[0])
    done, seen = threading.Event(), set()

    def watch() -> None:
        while not done.is_set():
            seen.add(read(path))

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for turn in range(400):
            replace(path, contents[turn % 4])
    finally:
        done.set()
        reader.join()
    assert seen
    assert seen <= set(contents)


def test_replacing_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(OSError):
        replace(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(OSError):
        replace(tmp_path / "nowhere" / "file", b"new")


def test_overwriting_leaves_nothing_of_a_longer_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a longer content")
    overwrite(tmp_path / "file", b"short")
    assert read(tmp_path / "file") == b"short"


def test_an_irregular_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in ("folder", "pipe", "dangling", "circle", "nothing", "x" * 300):
        with pytest.raises(RunError, match=name):
            read(tmp_path / name)


def test_a_file_too_large_to_be_one_of_ours_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(RunError, match="larger than 4 MB"):
        read(tmp_path / "sparse")


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        read(tmp_path / "\x1b[2Jname")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"number": "one"}', b'{"number": 1e99}', b'{"x": ' + b"[" * 100_000],
)
def test_json_that_is_something_else_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "small.json").write_bytes(content)
    with pytest.raises(RunError, match=r"small\.json is damaged"):
        read_json(tmp_path / "small.json", Small)


def test_json_round_trip(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_bytes(b'{"number": 7, "later": [1]}')
    assert read_json(tmp_path / "small.json", Small) == Small(7)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_a_file_that_another_client_replaced_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "state.json").write_bytes(b"content")
    errors = [number]

    def open_stale(path: Path) -> BinaryIO:
        if errors:
            raise OSError(error := errors.pop(), os.strerror(error))
        return open_to_read(path)

    monkeypatch.setattr(files, "open_to_read", open_stale)
    if number == errno.ESTALE:
        assert read(tmp_path / "state.json") == b"content"
    else:
        with pytest.raises(RunError, match=r"state\.json cannot be read: Input/output error"):
            read(tmp_path / "state.json")
    assert not errors


def test_a_growing_file_that_disappears_has_no_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path, 7, CHUNK) == ([], 7)
    path.write_bytes(b"a\nb\n")
    assert read_lines(path, 2, CHUNK) == ([b"b"], 4)
    for error, number in ((FileNotFoundError, errno.ENOENT), (OSError, errno.EIO)):

        def fail(*_: object, error: type[OSError] = error, number: int = number) -> BinaryIO:
            raise error(number, os.strerror(number))

        monkeypatch.setattr(files, "open_to_read", fail)
        if error is FileNotFoundError:
            assert read_lines(path, 2, CHUNK) == ([], 2)
        else:
            with pytest.raises(RunError, match=r"metrics\.jsonl cannot be read: Input/output error"):
                read_lines(path, 2, CHUNK)


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"

    def create() -> None:
        with new_folder(runs_dir / "one", "run", runs_dir) as draft:
            (draft / "state.json").write_text("{}")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"Cannot create a run in .*: No space left on device"):
        create()
    assert list(runs_dir.iterdir()) == []


def test_a_draft_of_another_process_stays(runs_dir: Path) -> None:
    other = runs_dir / ".one.new"
    other.mkdir(parents=True)
    (other / "run.json").write_text("{}")
    with pytest.raises(RunError, match="Cannot create a run"), new_folder(runs_dir / "one", "run", runs_dir):
        pass
    assert (other / "run.json").read_text() == "{}"
