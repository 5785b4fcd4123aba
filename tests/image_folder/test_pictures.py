"""Paths of pictures, found in folders and named one by one."""

from pathlib import Path

from PIL import Image

from tuitrain.image_folder.pictures import describe, find_pictures
from tuitrain.image_folder.walk import Skipped


def test_files_as_they_are_and_folders_recursively(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "inner/deep/c.webp", "inner/d.png", ".git/e.png", "__MACOSX/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name)
    for name in ("notes.txt", "table.csv", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "again").symlink_to(tmp_path / "inner")
    (tmp_path / "empty").mkdir()
    skipped, refused = Skipped(), list[tuple[str, str]]()
    paths = [str(tmp_path / "notes.txt"), str(tmp_path), "missing.png", str(tmp_path / "empty"), "a\0b"]
    found = list(find_pictures(paths, skipped, lambda *what: refused.append(what)))
    images = [str(tmp_path / name) for name in ("a.JPG", "b.png", "inner/d.png", "inner/deep/c.webp")]
    assert found == [paths[0], *images, "missing.png", "a\0b"]
    assert refused == [(str(tmp_path / "empty"), "a folder without images")]
    assert list(describe(skipped)) == [
        "skipped files that are not images: 1 .txt, 1 .csv",
        "skipped hidden and system files: 4",
    ]


def test_paths_are_taken_one_by_one(tmp_path: Path) -> None:
    """Paths may arrive on a pipe."""
    paths = iter([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    found = find_pictures(paths, Skipped(), lambda *_: None)
    assert next(found) == str(tmp_path / "a.png")
    assert next(paths) == str(tmp_path / "b.png")


def test_an_unreadable_folder_is_refused_and_the_rest_continues(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused = list[tuple[str, str]]()
    paths = [str(tmp_path / "loop"), str(tmp_path / "a.png")]
    assert list(find_pictures(paths, Skipped(), lambda *what: refused.append(what))) == paths
    assert not refused
