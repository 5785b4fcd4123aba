"""Fill the home screen while it has no runs to show."""

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from tuitrain.text import plain

KEYS = (
    ("n", "set up a run: data, network, optimizer"),
    ("^r", "start it, and watch loss and accuracy live"),
    ("d", "move it to the background; then you can quit"),
    ("⏎", "open a run: curves, confusion matrix, images"),
    ("space c", "mark runs and compare them"),
    ("?", "list every key of the screen"),
)
WAYS = (
    ("n ^r", "the built-in digits: no download, seconds"),
    ("n", "your photos: image-folder, a folder per class"),
    ("n", "a sweep: several values, such as lr 0.1,0.01"),
)
WIDTH = max(len(keys) for keys, _ in KEYS)


class HomeEmpty(Container):
    """Show a message in the middle of the screen."""

    DEFAULT_CSS = """
    HomeEmpty {
        height: 1fr;
        align: center middle;
        color: $text-muted;
        & Static { width: auto; height: auto; max-width: 100%; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, content: Content) -> None:
        static = self.query_one(Static)
        if content.plain != str(static.content):
            static.update(content)


def introduction(runs_dir: str) -> Content:
    """Return what to show for a folder without runs."""
    return Content("\n").join([
        Content.styled("No runs yet", "bold $foreground"), Content(""),
        *(_key(keys, text) for keys, text in KEYS), Content(""),
        Content.styled("Three ways to begin", "bold $foreground"), Content(""),
        *(_key(keys, text) for keys, text in WAYS), Content(""),
        Content(f"Folder: {plain(runs_dir)}"),
        Content("Another, or TensorBoard logs: --runs-dir FOLDER"),
    ])  # fmt: skip


def _key(keys: str, text: str) -> Content:
    caps = Content(" ").join(Content.styled(f" {key} ", "bold $accent on $panel") for key in keys.split())
    padding = " " * (WIDTH - len(keys) + 2 * (keys.count(" ") == 0))
    return Content.assemble(padding, caps, "  ", text)
