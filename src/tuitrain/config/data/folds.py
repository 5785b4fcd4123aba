"""Parse and format the folds of a cross-validation: `2/5` is the second of five."""

from typing import NamedTuple

# The texts that `data.fold` allows, before the numbers are compared, and their description.
FOLD = r"^[1-9][0-9]{0,2}/[1-9][0-9]{0,2}\Z"
FOLD_WORDS = {"others": "a fold and the number of folds, such as 2/5"}


class Fold(NamedTuple):
    """The fold `number`, counted from 1, of `total`."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """Return the fold that `data.fold` names; the text must match `FOLD`."""
        number, _, total = text.partition("/")
        return cls(int(number), int(total))

    @property
    def valid(self) -> bool:
        return self.total >= 2 and self.number <= self.total

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def first_fold(text: str | None) -> str | None:
    """Return the first fold of the cross-validation of the fold `text`. All its folds share it, so it groups them."""
    return None if text is None else str(Fold(1, Fold.parse(text).total))


def fold_names(total: int) -> tuple[str, ...]:
    """Return `data.fold` of each run of a cross-validation."""
    return tuple(str(Fold(number, total)) for number in range(1, total + 1))
