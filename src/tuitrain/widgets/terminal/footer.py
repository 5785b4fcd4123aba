"""A footer that shows as many available keys as fit, always including help and quit."""

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

ALWAYS_SHOWN = ("app.help", "app.quit", "app.pop_screen", "help", "quit")
_DIM = Style(dim=True)
# Between two keys; wider than the gap inside a pair, so that pairs can be told apart without colors.
GAP = "  "


class KeyLabels:
    """A screen whose footer labels depend on its state."""

    def key_label(self, action: str, label: str) -> str:
        """Return the label to show for an action in place of `label`."""
        raise NotImplementedError


class Key(NamedTuple):
    name: str
    description: str
    action: str
    enabled: bool

    @property
    def width(self) -> int:
        return cell_len(self.name) + 1 + cell_len(self.description) + len(GAP)


class FittingFooter(Widget):
    """A footer that drops keys if space is short: those of charts first, then those declared last; the help lists all.
    Textual's Footer creates new widgets whenever the available keys change, which is slower."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--description"}
    DEFAULT_CSS = """
    FittingFooter {
        dock: bottom;
        height: 1;
        background: $footer-background;
        & > .footer--key {
            color: $footer-key-foreground; background: $footer-key-background; text-style: bold;
        }
        & > .footer--description {
            color: $footer-description-foreground; background: $footer-description-background;
        }
    }
    """

    def on_mount(self) -> None:
        self._keys: list[Key] = []
        self.screen.bindings_updated_signal.subscribe(self, self._update_keys)

    def _update_keys(self, screen: Screen[object]) -> None:
        keys: dict[str, Key] = {}
        chart_keys: dict[str, bool] = {}
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.show and binding.action not in keys:
                name = self.app.get_key_display(binding)
                chart_keys[binding.action] = (binding.id or "").startswith("chart.")
                label = binding.description
                label = screen.key_label(binding.action, label) if isinstance(screen, KeyLabels) else label
                keys[binding.action] = Key(name, label, binding.action, enabled)
        ranked = sorted(keys.values(), key=lambda key: 2 if key.action in ALWAYS_SHOWN else chart_keys[key.action])
        if ranked != self._keys:
            self._keys = ranked
            self.refresh()

    @property
    def keys(self) -> list[Key]:
        keys = list(self._keys)
        while sum(key.width for key in keys) - len(GAP) > self.size.width and (
            droppable := [key for key in keys if key.action not in ALWAYS_SHOWN]
        ):
            keys.remove(droppable[-1])
        return keys

    def render_line(self, _: int) -> Strip:
        background = self.rich_style
        name, description = (self.get_component_rich_style(f"footer--{part}") for part in ("key", "description"))
        parts: list[Segment] = []
        for key in self.keys:
            dim = Style.null() if key.enabled else _DIM
            parts += [Segment(key.name, name + dim), Segment(f" {key.description}", description + dim)]
            parts.append(Segment(GAP, background))
        return Strip(parts).adjust_cell_length(self.size.width, background)
