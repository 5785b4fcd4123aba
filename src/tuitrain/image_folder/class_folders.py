"""List the images of each class and split where each class has a folder."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.layout import HINT, LayoutName, find_layout, folders
from tuitrain.image_folder.names import appearance, canonical
from tuitrain.image_folder.walk import UNREADABLE_SUFFIXES, ImageFinder
from tuitrain.text import plain


def scan_class_folders(folder: Path, layout: LayoutName, stop: Callable[[], bool]) -> ImageFolder:
    """List all images. Raise DataError if classes or splits are ambiguous, or if one has no images."""
    places = find_layout(folder, layout)
    found = ImageFolder(places.root, notes=list(places.notes))
    if places.root not in places.splits.values():
        found.sources = {split: f"{plain(path.relative_to(places.root))}/" for split, path in places.splits.items()}
    training = places.splits["training"]
    class_folders = [place / name for place in places.splits.values() for name in folders(place)]
    images = ImageFinder(class_folders, found.skipped, stop).images
    by_folder = {name: list(images(training / name)) for name in folders(training)}
    if not stop():
        by_folder = _without_empty(by_folder, training, found.notes)
    found.classes = tuple(unicodedata.normalize("NFC", name) for name in by_folder)
    check_classes(found.classes, training, [*found.notes, *_links_note(found)])
    found.splits["training"] = list(by_folder.values())
    for split, place in places.splits.items():
        if split != "training":
            images = ImageFinder(class_folders, found.skipped, stop).images
            found.splits[split] = [
                [path for name in names for path in images(place / name)]
                for names in _folders_by_class(list(by_folder), place, found.notes)
            ]
            if not any(found.splits[split]) and not stop():
                raise DataError(f"{plain(place)} has no images.", HINT)
    found.notes.extend(_links_note(found))
    if found.skipped.suffixes:
        found.notes.append(f"skipped files that are not images: {found.skipped}")
    return found


def _without_empty(by_folder: dict[str, list[str]], training: Path, notes: list[str]) -> dict[str, list[str]]:
    """Drop the folders without images. Raise DataError if the files in one look like images in an unreadable format."""
    empty = [name for name, paths in by_folder.items() if not paths]
    for name in empty:
        unreadable_files = Counter(path.suffix.lower() for path in (training / name).rglob("*"))
        for suffix in UNREADABLE_SUFFIXES & unreadable_files.keys():
            raise DataError(
                f"The class {plain(name)} has no readable image, but {unreadable_files[suffix]:,} {suffix} files.",
                "Convert them to JPEG or PNG, or remove the folder.",
            )
    if empty:
        notes.append(f"folders without images, not used: {', '.join(plain(name, 40) for name in empty[:5])}")
    return {name: paths for name, paths in by_folder.items() if paths}


def check_classes(classes: tuple[str, ...], training: Path, notes: list[str]) -> None:
    """Raise DataError if there is only one class, or if two names look the same."""
    if len(classes) < 2:
        found = f"only one class, {plain(classes[0])}" if classes else "no images"
        raise DataError(f"{plain(training)} has {'; '.join([found, *notes])}.", HINT)
    names: dict[str, str] = {}
    for name in classes:
        other = names.setdefault(appearance(name), name)
        if other is not name:
            # Escapes show control characters, which would look the same in a terminal.
            shown = plain(name) if plain(name) == other else f"{other!a} and {name!a}"
            raise DataError(
                f"{plain(training)} has two folders whose names look the same, {shown}.", "Rename or join them."
            )


def _links_note(found: ImageFolder) -> Iterator[str]:
    if links := found.skipped.links:
        names = ", ".join(plain(Path(link).relative_to(found.root), 60) for link in links[:5])
        more = f" and {len(links) - 5:,} more" if len(links) > 5 else ""
        yield f"links to images of other classes, or to images that are used already, are not followed: {names}{more}"


def _folders_by_class(training: list[str], place: Path, notes: list[str]) -> list[list[str]]:
    """Return the folders in `place` of each class: those whose names equal the class name or look like it."""
    of_class: dict[str, list[str]] = {name: [] for name in training}
    forms = Counter(map(canonical, training))
    alike = {canonical(name): name for name in training if forms[canonical(name)] == 1}
    for name in folders(place):
        match = name if name in of_class else alike.get(canonical(name))
        if match is None:
            raise DataError(
                f"{plain(place)} has the class {plain(name)}, which the training split does not have.",
                "Remove it, or add images of it to the training split.",
            )
        if unicodedata.normalize("NFC", match) != unicodedata.normalize("NFC", name):
            notes.append(f"{plain(place.name)}/{plain(name)}/ is used as class {plain(match)}")
        of_class[match].append(name)
    return list(of_class.values())
