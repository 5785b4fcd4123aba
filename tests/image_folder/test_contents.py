from pathlib import Path

import pytest

from tuitrain.image_folder.contents import digests, fingerprint, leaks

BLOCK = 64 * 2**10


def test_equal_digests_mean_equal_files(tmp_path: Path) -> None:
    """Of a file of more than three blocks, the first, the middle and the last block are read."""
    small, large = bytes(3 * BLOCK), bytes(10 * BLOCK)
    contents = {"small": small, "same": small, "longer": small + b"\0", "large": large}
    for name, content in (("small", small), ("large", large)):
        for place in (0, BLOCK - 1, len(content) // 2, len(content) // 2 - BLOCK // 2, len(content) - BLOCK, -1):
            changed = bytearray(content)
            changed[place] = 1
            contents[f"{name} {place}"] = bytes(changed)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in contents]
    found = digests(paths)
    assert list(found) == paths
    assert found.pop(str(tmp_path / "same")) == found[str(tmp_path / "small")]
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    ("content", "digest"),
    [
        (b"small", "a2a00aaeea857c6cb5aadb7321dd3f36"),
        (bytes(place % 251 for place in range(10 * BLOCK)), "de8a1d9c078a4b063fef3060d4be1b5b"),
    ],
    ids=["small", "large"],
)
def test_a_resumed_run_finds_its_files_unchanged(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert digests([str(tmp_path / "file")]) == {str(tmp_path / "file"): bytes.fromhex(digest)}


def test_unreadable_files_have_different_digests_and_all_files_are_counted(tmp_path: Path) -> None:
    paths = [str(tmp_path / str(number)) for number in range(300)]
    ticks: list[int] = []
    assert len(set(digests(paths, ticks.append).values())) == 300
    assert ticks == [128, 128, 44]
    assert digests([]) == {}


def test_a_fingerprint_depends_on_classes_contents_and_order() -> None:
    images = [("ä", b"1"), ("b\udcff", b"2")]
    assert fingerprint(images) == "360fe32ff4b4e817"
    others = [images[::-1], images[:1], [("a", b"1"), images[1]], [("ä", b"0"), images[1]], []]
    assert len({fingerprint(image for image in some) for some in [images, *others]}) == 6


def test_images_in_two_splits_are_counted_and_named() -> None:
    splits = {"training": ["/d/a", "/d/b", "/d/c"], "test": ["/d/x", "/d/y\x1b", "/d/z"], "validation": ["/d/v"]}
    contents = {"/d/a": b"1", "/d/b": b"1", "/d/c": b"2", "/d/x": b"3", "/d/y\x1b": b"1", "/d/z": b"2", "/d/v": b"3"}
    assert list(leaks(splits, contents, Path("/d"))) == [
        "2 of 3 test images are also training images, so the test accuracy is too high: y� is identical to a",
        "1 of 3 test images are also validation images, so the test accuracy is too high: x is identical to v",
    ]
    del splits["validation"]
    assert len(list(leaks(splits, contents, Path("/d")))) == 1
