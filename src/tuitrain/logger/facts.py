"""The settings and the summary of a run, as dictionaries that a script may fill."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from enum import Enum
from typing import Any

from tuitrain.logger.values import clean_name, clean_text, flatten, take
from tuitrain.runs.rows import spelled
from tuitrain.runs.scripts.records import LONGEST_TEXT, MOST_SETTINGS


class Facts(MutableMapping[str, Any]):
    """A dictionary whose items are attributes, too. `changes` increases with every change."""

    # While a run is active, `import tuitrain.config.schema as schema` finds the module by this name.
    __name__ = "tuitrain.config"

    def __init__(self) -> None:
        self.__dict__["_items"] = {}
        self.__dict__["changes"] = 0

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._items[name] = value
        self.__dict__["changes"] += 1

    def __delitem__(self, name: str) -> None:
        del self._items[name]
        self.__dict__["changes"] += 1

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._items:
            raise AttributeError(name)
        return self._items[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __repr__(self) -> str:
        return repr(dict(self))

    def update(self, *others: Any, allow_val_change: bool = True, **items: Any) -> None:  # noqa: ARG002
        """Like that of a dictionary; the other parameter is wandb's and has no effect."""
        super().update(*map(as_mapping, others), **items)

    def setdefaults(self, others: Any) -> None:
        """Add the items whose names are new."""
        self.update({name: value for name, value in as_mapping(others).items() if name not in self})

    def as_dict(self) -> dict[str, Any]:
        return dict(self)

    def storable(self) -> dict[str, Any]:
        """Return the items as numbers, booleans and text, nested names joined by dots."""
        return storable(dict(self._items))


class Summary(Facts):
    """The values that a script stores as the result of a run; for all other names, the last logged value, which `last`
    returns by name."""

    def __init__(self, last: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__()
        self.__dict__["_last"] = last

    def __getitem__(self, name: str) -> Any:
        return self._items[name] if name in self._items else self._last()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items or name in self._last()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self:
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._last(), **self._items})

    def __len__(self) -> int:
        return len({**self._last(), **self._items})

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies dictionaries, which do not follow the run."""
        return dict, (dict(self),)


def as_mapping(settings: Any) -> Mapping[Any, Any]:
    """Return the settings in a mapping, or in an object such as argparse's Namespace or a dataclass; empty for None.
    Raises TypeError for other kinds."""
    if settings is None or isinstance(settings, Mapping):
        return settings or {}
    if hasattr(settings, "items"):
        return dict(settings.items())
    if not hasattr(settings, "__dict__") and not getattr(settings, "__slots__", ()):
        raise TypeError(f"settings must be a dictionary, a dataclass or a Namespace, not {type(settings).__name__}")
    fields = getattr(settings, "__dict__", None) or {
        name: getattr(settings, name, None) for name in getattr(settings, "__slots__", ())
    }
    return {name: value for name, value in fields.items() if not str(name).startswith("_")}


def storable(items: Mapping[Any, Any]) -> dict[str, Any]:
    """Return nested items as numbers, booleans and text by name; what cannot even be shown as text is left out."""
    found: dict[str, Any] = {}
    for name, value in flatten(items, "."):
        if len(found) >= MOST_SETTINGS:
            break
        with suppress(Exception):
            found[clean_name(name)] = _scalar(value)
    return found


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    taken = None
    if isinstance(value, float) or hasattr(value, "item"):
        taken = take(value)
    if isinstance(taken, float):
        return spelled(taken)
    return clean_text(value, LONGEST_TEXT)
