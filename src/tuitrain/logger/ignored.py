"""Stand-ins for the parts of wandb that have no meaning here."""

from collections.abc import Iterator
from functools import cache
from typing import Any


class _AnyAttribute(type):
    """A class that has all attributes, such as the levels of an alert."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls()


class Ignored(metaclass=_AnyAttribute):
    """An object whose attributes and methods all exist and do nothing, so that a script of wandb continues."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "Ignored":
        return self

    def __getattr__(self, name: str) -> "Ignored":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


@cache
def ignored(name: str) -> Any:
    """Return a class for the name of a class, and an object otherwise; always the same, for `isinstance`."""
    kind = type(name, (Ignored,), {})
    return kind if name[0].isupper() else kind()
