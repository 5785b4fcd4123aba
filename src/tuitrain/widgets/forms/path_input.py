"""An input for a path, completed with tab as in a shell."""

import os
from typing import ClassVar

from textual.binding import Binding, BindingType

from tuitrain.config.formatting import quoted, split_texts, unquoted
from tuitrain.widgets.forms.fixed_input import FixedInput

# The maximum number of entries of a folder that a completion reads.
MAX_ENTRIES = 10_000


class PathInput(FixedInput):
    """An input in which tab completes the path as far as it is unambiguous, or else moves on. It suggests nothing while
    you type, because reading a folder for each key would delay keys that arrive together. It may contain `several`
    paths, separated by commas."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", tooltip="Complete the path", show=False)]

    def __init__(
        self, value: str, *, folders_only: bool = False, select_on_focus: bool = True, several: bool = False
    ) -> None:
        super().__init__(value, compact=True, select_on_focus=select_on_focus)
        self._folders_only, self._several = folders_only, several

    def action_complete(self) -> None:
        complete = complete_last_path if self._several else complete_path
        completed = complete(self.value, folders_only=self._folders_only)
        if completed != self.value:
            self.value = completed
            self.cursor_position = len(completed) - completed.endswith("'")
        else:
            self.screen.focus_next()


def complete_last_path(text: str, *, folders_only: bool = False) -> str:
    """Return the paths in `text`, which commas separate, with the last one completed, in quotes if it has a comma."""
    last = "" if text.rstrip().endswith(",") else split_texts(text)[-1]
    path = unquoted(last.strip())
    completed = complete_path(path, folders_only=folders_only)
    return text if completed == path else text[: len(text) - len(last.lstrip())] + quoted(completed)


def complete_path(text: str, *, folders_only: bool = False) -> str:
    """Return the text with its last part completed as far as all matching entries agree."""
    matches = path_matches(text, folders_only=folders_only) if text else []
    last = _last_part(text)
    return text[: len(text) - len(last)] + (os.path.commonprefix(matches) or last)  # noqa: RUF071


def path_matches(text: str, *, folders_only: bool = False) -> list[str]:
    """Return the sorted names that begin with the last part of the text, folders with a slash at the end. Hidden ones
    match only a dot; names that cannot be shown match nothing."""
    last = _last_part(text)
    folder = os.path.expanduser(text[: len(text) - len(last)] or ".")  # noqa: PTH111
    names = []
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
                name = entry.name
                if not name.startswith(last) or (name.startswith(".") and not last) or not name.isprintable():
                    continue
                if entry.is_dir():
                    names.append(f"{name}/")
                elif not folders_only:
                    names.append(name)
    except (OSError, ValueError):
        return []
    return sorted(names)


def _last_part(text: str) -> str:
    return text.rpartition("/")[2]
