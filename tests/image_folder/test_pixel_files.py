import os
from pathlib import Path

import pytest

from tuitrain.image_folder import pixel_files
from tuitrain.image_folder.pixel_files import HEADER, Header, PixelFile, read_header


def write(name: str, count: int = 3, used: float = 1e9, folder: str = "photos", **changes: int) -> Path:
    """Write a complete file of 2x2 grey images, 12 bytes each."""
    header = Header("0" * 32, folder, count, (3, 2, 2), {1: "truncated"})
    path = pixel_files.cache_folder() / f"{name}.pixels"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode().ljust(header.file_bytes + changes.get("longer", 0), b"\1"))
    os.utime(path, (used, used))
    return path


def test_a_header_is_read_back() -> None:
    path = write("a")
    assert read_header(path) == Header("0" * 32, "photos", 3, (3, 2, 2), {1: "truncated"})


@pytest.mark.parametrize("change", [
    lambda content: content[:0], lambda content: content[:100], lambda content: content[:-1],
    lambda content: content + b"\0",
    lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:], lambda content: b"x" + content[1:],
    lambda content: b"\0" * len(content),
])  # fmt: skip
def test_a_damaged_or_truncated_file_has_no_header(change: object) -> None:
    path = write("a")
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    assert read_header(path) is None
    assert pixel_files.pixel_files() == []


def test_other_kinds_of_files_have_no_header(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pixels")
    assert read_header(tmp_path / "pipe.pixels") is None
    assert read_header(tmp_path / "missing.pixels") is None


def test_a_header_of_too_many_unreadable_images_is_refused() -> None:
    header = Header("0" * 32, "photos", 10**6, (3, 2, 2), dict.fromkeys(range(10**5), "truncated"))
    with pytest.raises(ValueError, match="too many"):
        header.encode()
    assert header.pixels_at % 4096 == 0
    assert header.pixels_at >= HEADER + 4 * 10**6


def test_room_is_made_by_removing_the_least_recently_used() -> None:
    paths = {name: write(name, used=1e9 + used) for name, used in (("old", 1), ("older", 0), ("new", 2))}
    size = paths["new"].stat().st_size
    assert pixel_files.make_room(size, 4 * size) == []
    assert pixel_files.make_room(size, 3 * size) == ["older"]
    pixel_files.mark_used(paths["old"])
    assert pixel_files.make_room(size, 2 * size) == ["new"]
    assert [file.name for file in pixel_files.pixel_files()] == ["old"]


def test_files_are_listed_by_their_last_use() -> None:
    first, second = write("a", used=1e9), write("b", used=2e9)
    files = pixel_files.pixel_files()
    assert [file.path for file in files] == [second, first]
    assert files[0] == PixelFile(second, files[0].header, second.stat().st_size, 2e9)


def test_removing_removes_lock_and_drafts() -> None:
    path = write("a")
    with pixel_files.locked(path, lambda: False) as held:
        assert held
    (path.parent / ".a.pixels.x.tmp").mkdir()
    write("b", longer=1)
    pixel_files.remove(path)
    pixel_files.remove_remains()
    assert list(path.parent.iterdir()) == []


def test_only_one_process_writes_a_file() -> None:
    path, waits = write("a"), []

    def wait() -> bool:
        waits.append(1)
        return len(waits) < 3

    with pixel_files.locked(path, lambda: False) as first, pixel_files.locked(path, wait) as second:
        assert (first, second, len(waits)) == (True, False, 3)
    with pixel_files.locked(path, lambda: False) as held:
        assert held


@pytest.mark.parametrize(("folder", "name"), [("pets", "pets-"), ("a b/ü*[", "images-"), ("..", "images-")])
def test_names_are_safe(folder: str, name: str) -> None:
    path = pixel_files.path_of("0123456789abcdef", Path(folder))
    assert path.parent == pixel_files.cache_folder()
    assert path.name == f"{name}0123456789ab.pixels"


def test_a_key_depends_on_path_size_and_time(tmp_path: Path) -> None:
    def key(*names: str) -> str:
        return pixel_files.key_of(pixel_files.stamps([str(tmp_path / name) for name in names]))

    for name in "ab":
        (tmp_path / name).write_text("text")
        os.utime(tmp_path / name, (1, 1))
    keys = {key("a"), key("b"), key("a", "b"), key("b", "a")}
    (tmp_path / "a").write_text("texts")
    os.utime(tmp_path / "a", (1, 1))
    keys.add(key("a"))
    os.utime(tmp_path / "a", ns=(1, 2))
    keys.add(key("a"))
    assert len(keys) == 6
    assert key("missing") == key()
