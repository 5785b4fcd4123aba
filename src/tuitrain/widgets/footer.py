"""The keys that work now, as many as fit; help and the way out always do."""

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

KEPT = ("app.help", "app.quit", "app.pop_screen", "help", "quit")


class FittingFooter(Footer):
    """Where there is no room for all, those declared later are left to the help."""

    _fitted = 0

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)

    def compose(self) -> ComposeResult:
        keys = [key for key in super().compose() if isinstance(key, FooterKey)]
        self._fitted = self.app.size.width
        while sum(map(_width, keys)) > self._fitted and (spare := [key for key in keys if key.action not in KEPT]):
            keys.remove(spare[-1])
        self.styles.grid_size_columns = max(1, len(keys))
        yield from keys

    def on_resize(self, event: Resize) -> None:
        if self._fitted and event.size.width != self._fitted:
            self.call_after_refresh(self.recompose)


def _width(key: FooterKey) -> int:
    return cell_len(key.key_display) + cell_len(key.description) + 2
