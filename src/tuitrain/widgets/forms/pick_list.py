"""A small window with a list to choose from."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuitrain.widgets.terminal.footer import FittingFooter

MARK_HINT = "space marks"


def distance(typed: str, *names: str) -> int:
    """0 where a name, or the last part of a key, is what was typed; 1 where one begins so, 2 where they hold all words
    of it, 3 where they do not."""
    wanted, whole = _spelled(typed), [_spelled(name) for name in names]
    whole += [name.rpartition(".")[2] for name in whole]
    if wanted in whole:
        return 0
    if any(name.startswith(wanted) for name in whole):
        return 1
    together = " ".join(whole)
    return 2 if all(word in together for word in wanted.split()) else 3


def _spelled(name: str) -> str:
    return name.strip().casefold().replace("_", " ").replace("-", " ")


class PickList(ModalScreen[tuple[str, ...] | None]):
    """A list to choose from, below `at` or in the middle; typing leaves only what contains it.

    `options` are (value, what it means) pairs; dismissed with the values chosen, None for escape. Of `many`, space
    marks one more and a comma takes what was typed; they may be none only where that may be `empty`.
    """

    # Not DEFAULT_CSS, which an app's rules for all its screens would come before.
    CSS = """
    PickList { background: transparent; }
    PickList.-middle { align: center middle; background: $background 60%; }
    PickList > OptionList, PickList > OptionList:focus {
        width: auto; height: auto; max-width: 96%; max-height: 80%; padding: 0; scrollbar-size-vertical: 1;
        background: $surface; background-tint: transparent; border: round $border;
        border-title-color: $accent; border-subtitle-color: $foreground-muted;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel"),
        Binding("backspace", "shorten", show=False),
    ]

    def __init__(
        self,
        options: Sequence[tuple[str, str]],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
        empty: bool = False,
        at: Region | None = None,
        typed: str = "",
        title: str = "",
    ) -> None:
        super().__init__(classes="" if at else "-middle")
        self._options, self._chosen, self._many, self._at = options, list(chosen), many, at
        self._typed, self._title, self._empty = typed, title, empty
        # "sgd, adam": a space behind a comma is none.
        self._after_comma = False
        # Until something is marked, enter chooses what is highlighted alone.
        self._marked = False

    def compose(self) -> ComposeResult:
        yield OptionList(markup=False)
        # Over that of the screen below, whose keys do nothing now.
        yield FittingFooter()

    def on_mount(self) -> None:
        self._fill()

    def _place(self, count: int) -> None:
        """Below the field where there is room for what is there now, or more of it than above."""
        if self._at is None:
            return
        box, room = self.query_one(OptionList).styles, self.size.height
        width = max(*(len(name) + 4 * self._many for name, _ in self._options), len(MARK_HINT) * self._many) + 6
        under, over = room - self._at.bottom, self._at.y
        below = under >= min(len(self._options) + 2, over)
        height = min(count + 2, under if below else over)
        box.width, box.height = width, height
        box.offset = (max(min(self._at.x - 2, self.size.width - width), 0), self._at.bottom if below else over - height)

    def _fill(self, highlight: str = "") -> None:
        box = self.query_one(OptionList)
        typed = self._typed.casefold()
        matching = [(name, about) for name, about in self._options if typed in name.casefold()]
        matching.sort(key=lambda option: distance(typed, option[0]))
        pad = max(len(name) for name, about in self._options) if any(about for _, about in self._options) else 0
        box.set_options(
            Option(Content(f" {self._sign(name)}{name.ljust(pad)}{about and '  '}{about} "), id=name)
            for name, about in matching
        )
        self._place(max(len(matching), 1))
        wanted = highlight or ("" if typed else next(iter(self._chosen), ""))
        names = [name for name, _ in matching]
        box.highlighted = names.index(wanted) if wanted in names else 0 if names else None
        box.border_title = Content(f"{self._typed}_" if self._typed else self._title)
        hint = f"{len(self._chosen)} marked" if self._marked else MARK_HINT
        box.border_subtitle = Content(hint if self._many else "")

    def _sign(self, name: str) -> str:
        if not (self._empty or self._marked or len(self._chosen) > 1):
            return ""
        return "[x] " if name in self._chosen else "[ ] "

    def on_key(self, event: events.Key) -> None:
        after_comma, self._after_comma = self._after_comma, event.key == "comma"
        if event.key == "space" and not self._typed:
            event.stop()
            if not after_comma:
                self._mark()
        elif event.key == "comma" and self._many:
            event.stop()
            self._take()
        elif event.character and event.is_printable:
            event.stop()
            self._typed += event.character
            self._fill()

    def _mark(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is None or option.id is None:
            return
        if not self._many:
            self.dismiss((option.id,))
        else:
            self._marked = True
            marked = set(self._chosen) ^ {option.id}
            self._chosen = [name for name, _ in self._options if name in marked]
            self._fill(option.id)

    def _take(self) -> None:
        """What was typed, or is highlighted, and nothing that stood there before."""
        option = self.query_one(OptionList).highlighted_option
        if option is None or option.id is None:
            return
        wanted = {option.id, *(self._chosen if self._marked else ())}
        self._chosen = [name for name, _ in self._options if name in wanted]
        self._marked, self._typed = True, ""
        self._fill(option.id)

    def action_shorten(self) -> None:
        self._typed = self._typed[:-1]
        self._fill()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self._marked and self._typed:
            self._take()
        chosen = tuple(self._chosen) if self._marked else (event.option.id or "",)
        self.dismiss(chosen if chosen or self._empty else None)
