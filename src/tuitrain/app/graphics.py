"""Choose how to draw pictures: with the terminal's graphics or as text."""

import asyncio
import os

from tuitrain.app.appearance import Appearance
from tuitrain.config import preferences
from tuitrain.machine.graphics import TmuxClient, draws_pictures, draws_sixels, may_draw_pictures, tmux_client
from tuitrain.widgets.terminal.images import Images, SixelImages
from tuitrain.widgets.terminal.paste import TerminalAttributes, TerminalVersion
from tuitrain.widgets.terminal.textual_internals import write_to_terminal

# XTVERSION: the terminal reports its name and version. DA1: it reports what it is able to do.
_VERSION_QUERY, _ATTRIBUTES_QUERY = "\x1b[>q", "\x1b[c"
# Seconds between two questions to tmux: another terminal may attach at any time.
TMUX_INTERVAL = 2.0


class Graphics(Appearance):
    """Use the terminal's graphics if it has them, unless the user prefers otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._choice = preferences.load().pictures
        self._draws_pictures = self._draws_sixels = False
        self._client = TmuxClient()

    def on_mount(self) -> None:
        if "TMUX" in os.environ:
            self.run_task(self._follow_tmux())
        else:
            write_to_terminal(self, _VERSION_QUERY if may_draw_pictures() else _ATTRIBUTES_QUERY)
        self._choose()

    def on_terminal_version(self, event: TerminalVersion) -> None:
        # tmux answers for itself.
        if "TMUX" not in os.environ:
            self._draws_pictures = draws_pictures(event.version)
            self._choose()

    def on_terminal_attributes(self, event: TerminalAttributes) -> None:
        # tmux answers for itself.
        if "TMUX" not in os.environ:
            self._draws_sixels = draws_sixels(event.attributes)
            self._choose()

    def set_pictures(self, choice: preferences.Pictures) -> None:
        self._choice = choice
        preferences.update(pictures=choice)
        self.delete_pictures()
        self._choose()

    def _choose(self) -> None:
        kind = {"kitty": Images, "sixel": SixelImages}.get(self._choice)
        if self._choice == "auto" and not self.no_color:
            kind = Images if self._draws_pictures else SixelImages if self._draws_sixels else None
        # Without pictures yet, `images` is false.
        if kind is not (None if self.images is None else type(self.images)):
            self.use_images(kind and kind())

    async def _follow_tmux(self) -> None:
        while True:
            client = await asyncio.to_thread(tmux_client)
            if client != self._client:
                self._client, self._draws_pictures = client, client.draws_pictures
                self._choose()
                # A new terminal has no pictures, and tmux passes none on while another window is visible.
                self.resend_pictures()
            await asyncio.sleep(TMUX_INTERVAL)
