"""A list to choose from, below a field or in the middle of the screen."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuitrain.widgets.terminal.colors import MUTED
from tuitrain.widgets.terminal.footer import FittingFooter

MARK_HINT = "space marks"
# The largest number of listed matches: more would take long to send over a slow connection.
MAX_LISTED = 200


class Options(OptionList):
    """An option list that can be paged before its first layout: page keys may arrive with the key that opens it."""

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()  # type: ignore[no-untyped-call]
        else:
            self.action_last()

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()  # type: ignore[no-untyped-call]
        else:
            self.action_first()


def distance(typed: str, *names: str) -> int:
    """Return the rank of an option: 0 if a name or the last part of a key equals the text, 1 if one starts with it, 2
    if all its words occur, 3 otherwise."""
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
    """Let the user choose from `options`, each (key, name, help); typing filters them. The list opens below the region
    `at`, or else in the middle of the screen.

    Dismiss with the chosen keys, or None on escape. With `many`, space marks an option and a comma marks the typed one.
    Until something is marked, enter replaces the choice by the highlighted option, unless the `chosen` ones count as
    `marked`. An option with an empty key stands for the empty choice. The typed text is an option, too, if `others`
    accepts it.
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
    PickList.-middle > Options { width: 84; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel"),
        Binding("backspace", "shorten", show=False),
    ]

    def __init__(
        self,
        options: Sequence[tuple[str, str, str]],
        chosen: Sequence[str] = (),
        *,
        title: str = "",
        many: bool = False,
        marked: bool = False,
        at: Region | None = None,
        typed: str = "",
        others: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(classes="" if at else "-middle")
        self._others = others
        self._options, self._title, self._many, self._at = options, title, many, at
        self._chosen, self._initial = list(chosen), list(chosen)
        self._marked, self._typed = marked, typed
        # Ignore the space in "sgd, adam".
        self._after_comma = False
        self._name_width = max(len(name) for _, name, _ in options)
        self._width = max(self._name_width + 2 + len(help) if help else len(name) for _, name, help in options)

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
        width = min(max(self._width + 4 * self._many, len(MARK_HINT) * self._many) + 6, self.size.width)
        space_below, space_above = room - self._at.bottom, self._at.y
        below = space_below >= min(len(self._options) + 2, space_above)
        height = min(count + 2, space_below if below else space_above)
        style.width, style.height = width, height
        x, y = min(self._at.x - 2, self.size.width - width), self._at.bottom if below else self._at.y - height
        style.offset = (max(x, 0), y)

    def _list_matches(self, highlight: str = "") -> None:
        box, words = self.query_one(Options), self._typed.casefold().split()
        matches = [option for option in self._options if all(word in " ".join(option).casefold() for word in words)]
        matches.sort(key=lambda option: distance(self._typed, *option[:2]))
        if self._others and self._others(self._typed):
            matches = [(self._typed, self._typed, "")]
        shown = matches[:MAX_LISTED]
        lines = [Option(self._line(*option), id=option[0] or None) for option in shown]
        if len(matches) > MAX_LISTED:
            lines.append(Option(f" … {len(matches) - MAX_LISTED:,} more: type to search", disabled=True))
        none = " No match: type FILE.py:NAME for your own" if self._others else " No match"
        box.set_options(lines or [Option(none, disabled=True)])
        self._position(max(len(lines), 1))
        wanted = highlight or ("" if self._typed or self._marked else next(iter(self._chosen), ""))
        keys = [key for key, _, _ in shown]
        box.highlighted = keys.index(wanted) if wanted in keys else 0 if keys else None
        box.border_title = Content(" · ".join(filter(None, (self._title, self._typed and f"{self._typed}_"))))
        box.border_subtitle = Content(self._hint())

    def _line(self, key: str, name: str, help: str) -> Content:
        checkbox = "[x] " if key in self._chosen else "[ ] " if key else "    "
        padded = f"{name.ljust(self._name_width)}  " if help else name
        return Content.assemble(f" {checkbox if self._many else ''}{padded}", (help, MUTED), " ")

    def _hint(self) -> str:
        if self._at is None:
            return "type to search · space marks · enter applies" if self._many else "type to search · enter chooses"
        marks = f"{len(self._chosen)} marked" if self._marked else MARK_HINT
        return marks if self._many else ""

    def on_key(self, event: events.Key) -> None:
        after_comma, self._after_comma = self._after_comma, event.key == "comma"
        if event.key == "space" and (self._many or not self._typed):
            event.stop()
            if not after_comma:
                self._choose(toggle=True)
        elif event.key == "comma" and self._many:
            event.stop()
            self._choose(toggle=False)
        elif event.character and event.is_printable:
            event.stop()
            self._typed += event.character
            self._list_matches()

    def _choose(self, *, toggle: bool) -> None:
        """Choose the highlighted option, or with `many` mark it; `toggle` unmarks an option that is marked already."""
        option = self.query_one(Options).highlighted_option
        if option is None:
            return
        key = option.id or ""
        if not self._many or not key:
            self.dismiss(() if self._many else (key,))
            return
        before = set(self._chosen)
        if toggle and (self._marked or before != {key}):
            wanted = before ^ {key}
        else:
            # A comma replaces the present choice at first; a space keeps it.
            wanted = {key} | (before if self._marked else set())
        if key not in [name for name, _, _ in self._options]:
            self._options = [*self._options, (key, key, "")]
        self._chosen = [name for name, _, _ in self._options if name in wanted]
        self._marked, self._typed = True, ""
        self._list_matches(key)

    def action_shorten(self) -> None:
        self._typed = self._typed[:-1]
        self._list_matches()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        key = event.option.id or ""
        if not self._marked:
            self.dismiss((key,) if key or not self._many else ())
            return
        if self._typed and key:
            self._choose(toggle=False)
        # Enter on the empty choice counts only if nothing was marked.
        self.dismiss(() if not key and self._chosen == self._initial else tuple(self._chosen))
