"""Recognize split folders, and folders that hold no data, by their names."""

import re
import unicodedata

from tuitrain.text import plain

# "eval" may mean either: `layout` decides by what else there is.
WORDS: dict[str, tuple[str, ...]] = {
    "training": ("train", "training", "trn", "trainset", "trainingset"),
    "validation": ("val", "valid", "validation", "dev", "devel", "development", "valset", "devset"),
    "test": ("test", "testing", "tst", "holdout", "testset"),
    "eval": ("eval", "evaluation"),
}
# What archives, file managers, notebooks and file systems leave behind.
LITTER = {
    "__macosx", "@eadir", "lost+found", "$recycle.bin", "#recycle", "system volume information", "__pycache__",
    "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r",
}  # fmt: skip


def canonical(name: str) -> str:
    """Return a key that is equal for names that look the same: composed, without case and outer space."""
    return unicodedata.normalize("NFC", name.casefold()).strip()


def appearance(name: str) -> str:
    """Return a key that is equal for names that a terminal shows alike: composed, with one replacement for all control
    characters, and without characters and outer space that have no shape."""
    composed = unicodedata.normalize("NFC", name)
    visible = "".join(char for char in composed if unicodedata.category(char) != "Cf")
    return " ".join(plain(visible).split())


def split_of(name: str) -> str | None:
    """Return the split that a folder's name stands for: a key of `WORDS`, or None. `Test`, `train_set`, `seg_train`,
    `valImages` and `test2017` are names of splits."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold())
    words.append("".join(words))  # For hold_out.
    found = {split for word in words for split, names in WORDS.items() if word in names}
    return found.pop() if len(found) == 1 else None


def assigned_split(name: str) -> str | None:
    """Return the split that a name stands for on its own: like `split_of`, with test for "eval"."""
    split = split_of(name)
    return "test" if split == "eval" else split


def is_litter(name: str) -> bool:
    """Return whether a file or folder with this name is hidden or no part of the data."""
    return name.startswith(".") or name.casefold() in LITTER
