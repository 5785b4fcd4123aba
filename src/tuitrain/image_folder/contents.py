"""Identify image files by their content."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

from tuitrain.text import plain

_THREADS = 8
# Files are read in portions, so that the overhead of a thread's task is small.
_PORTION = 128
# Of a larger file only three blocks of this size are read, at the start, in the middle and at the end.
_BLOCK = 64 * 2**10


def digests(paths: Sequence[str], tick: Callable[[int], None] = lambda _: None) -> dict[str, bytes]:
    """Return a digest of the content of each file, equal for identical files. The digest of an unreadable file is that
    of its path. Call `tick` with the number of files read since the last call."""
    found: dict[str, bytes] = {}
    portions = [paths[start : start + _PORTION] for start in range(0, len(paths), _PORTION)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for portion, values in zip(portions, pool.map(lambda some: list(map(_digest, some)), portions), strict=True):
            found.update(zip(portion, values, strict=True))
            tick(len(portion))
    return found


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a million Path objects are slow)
            size = os.fstat(file.fileno()).st_size
            digest = blake2b(size.to_bytes(8, "big"), digest_size=16)
            if size <= 3 * _BLOCK:
                digest.update(file.read())
            else:
                for start in (0, (size - _BLOCK) // 2, size - _BLOCK):
                    file.seek(start)
                    digest.update(file.read(_BLOCK))
    except OSError:
        return blake2b(os.fsencode(path), digest_size=16, person=b"unreadable").digest()
    return digest.digest()


def fingerprint(images: Iterable[tuple[str, bytes]]) -> str:
    """Return a short text that identifies a split by the class name and the digest of each image, in order."""
    digest = blake2b(digest_size=8)
    for name, content in images:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)
    return digest.hexdigest()


def leaks(splits: Mapping[str, Sequence[str]], digests: Mapping[str, bytes], root: Path) -> Iterator[str]:
    """Yield a sentence for each pair of splits that share images. `splits` holds the paths of each split."""
    for name, other in (("test", "training"), ("validation", "training"), ("test", "validation")):
        paths = splits.get(name, ())
        known = {digests[path]: path for path in reversed(splits.get(other, ()))}
        if copies := [path for path in paths if digests[path] in known]:
            first, original = (
                plain(os.path.relpath(path, root), 80) for path in (copies[0], known[digests[copies[0]]])
            )
            yield (
                f"{len(copies):,} of {len(paths):,} {name} images are also {other} images, so the {name} accuracy is"
                f" too high: {first} is identical to {original}"
            )


def conflicts(paths: Sequence[str], labels: Sequence[int], digests: Mapping[str, bytes], root: Path) -> Iterator[str]:
    """Yield a sentence if identical training images have different labels."""
    first_of: dict[bytes, tuple[int, str]] = {}
    found = []
    for path, label in zip(paths, labels, strict=True):
        known, first = first_of.setdefault(digests[path], (label, path))
        if known != label:
            found.append((first, path))
    if found:
        first, second = (plain(os.path.relpath(path, root), 80) for path in found[0])
        yield f"{len(found):,} training images are identical to one of another class: {second} to {first}"
