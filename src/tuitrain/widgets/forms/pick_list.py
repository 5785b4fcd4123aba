"""A list of choices below a field or in the middle of the screen."""

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

from tuitrain.widgets.forms.options import Options
from tuitrain.widgets.terminal.footer import FittingFooter

MARK_HINT = "space marks"


def distance(typed: str, *names: str) -> int:
    """Rank an option: 0 if a name or the last part of a key equals the text, 1 if one starts with it, 2 if all its
    words occur, 3 otherwise."""
    wanted, candidates = _normalize(typed), [_normalize(name) for name in names]
    candidates += [name.rpartition(".")[2] for name in candidates]
    if wanted in candidates:
        return 0
    if any(name.startswith(wanted) for name in candidates):
        return 1
    joined = " ".join(candidates)
    return 2 if all(word in joined for word in wanted.split()) else 3


def _normalize(name: str) -> str:
    return name.strip().casefold().replace("_", " ").replace("-", " ")


class PickList(ModalScreen[tuple[str, ...] | None]):
    """Choose from `options`, (value, help) pairs, below the region `at` or centered; typing filters them.

    Dismiss with the chosen values, or None on escape. With `many`, space marks a value and a comma marks the typed one;
    the choice may be empty only if `empty`.
    """

    # Not DEFAULT_CSS: the app's rules for all screens would take precedence.
    CSS = """
    PickList { background: transparent; }
    PickList.-middle { align: center middle; background: $background 60%; }
    PickList > Options, PickList > Options:focus {
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
        # Ignore the space in "sgd, adam".
        self._after_comma = False
        # Until something is marked, enter chooses only the highlighted value.
        self._marked = False

    def compose(self) -> ComposeResult:
        yield Options(markup=False)
        # Covers the footer of the screen below, whose keys do not work now.
        yield FittingFooter()

    def on_mount(self) -> None:
        self._list_matches()

    def _position(self, count: int) -> None:
        """Place the list below the field if there is room, or more than above, otherwise above."""
        if self._at is None:
            return
        style, room = self.query_one(Options).styles, self.size.height
        width = max(*(len(name) + 4 * self._many for name, _ in self._options), len(MARK_HINT) * self._many) + 6
        space_below, space_above = room - self._at.bottom, self._at.y
        below = space_below >= min(len(self._options) + 2, space_above)
        height = min(count + 2, space_below if below else space_above)
        style.width, style.height = width, height
        x, y = min(self._at.x - 2, self.size.width - width), self._at.bottom if below else self._at.y - height
        style.offset = (max(x, 0), y)

    def _list_matches(self, highlight: str = "") -> None:
        box = self.query_one(Options)
        typed = self._typed.casefold()
        matching = [(name, help) for name, help in self._options if typed in name.casefold()]
        matching.sort(key=lambda option: distance(typed, option[0]))
        pad = max(len(name) for name, _ in self._options) if any(help for _, help in self._options) else 0
        box.set_options(
            Option(Content(f" {self._checkbox(name)}{name.ljust(pad)}{help and '  '}{help} "), id=name)
            for name, help in matching
        )
        self._position(max(len(matching), 1))
        wanted = highlight or ("" if typed else next(iter(self._chosen), ""))
        names = [name for name, _ in matching]
        box.highlighted = names.index(wanted) if wanted in names else 0 if names else None
        box.border_title = Content(f"{self._typed}_" if self._typed else self._title)
        hint = f"{len(self._chosen)} marked" if self._marked else MARK_HINT
        box.border_subtitle = Content(hint if self._many else "")

    def _checkbox(self, name: str) -> str:
        if not self._many:
            return ""
        return "[x] " if name in self._chosen else "[ ] "

    def on_key(self, event: events.Key) -> None:
        after_comma, self._after_comma = self._after_comma, event.key == "comma"
        if event.key == "space" and not self._typed:
            event.stop()
            if not after_comma:
                self._toggle_mark()
        elif event.key == "comma" and self._many:
            event.stop()
            self._mark_typed()
        elif event.character and event.is_printable:
            event.stop()
            self._typed += event.character
            self._list_matches()

    def _toggle_mark(self) -> None:
        option = self.query_one(Options).highlighted_option
        if option is None or option.id is None:
            return
        if not self._many:
            self.dismiss((option.id,))
        else:
            # The first mark of the present choice keeps it.
            keep = not self._marked and self._chosen == [option.id]
            self._marked = True
            marked = set(self._chosen) ^ (set() if keep else {option.id})
            self._chosen = [name for name, _ in self._options if name in marked]
            self._list_matches(option.id)

    def _mark_typed(self) -> None:
        """Mark the typed or highlighted value; the first mark replaces the previous choice."""
        option = self.query_one(Options).highlighted_option
        if option is None or option.id is None:
            return
        wanted = {option.id, *(self._chosen if self._marked else ())}
        self._chosen = [name for name, _ in self._options if name in wanted]
        self._marked, self._typed = True, ""
        self._list_matches(option.id)

    def action_shorten(self) -> None:
        self._typed = self._typed[:-1]
        self._list_matches()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self._marked and self._typed:
            self._mark_typed()
        chosen = tuple(self._chosen) if self._marked else (event.option.id or "",)
        self.dismiss(chosen if chosen or self._empty else None)
