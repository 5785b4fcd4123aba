"""Open the New run form in a running app."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tuitrain.app.app import TuitrainApp
from tuitrain.config.schema import Config
from tuitrain.hosts.preview.process import PreviewProcess
from tuitrain.hosts.thread import ThreadHost
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.widgets.forms.fields import Field


class SharedPreviews(PreviewProcess):
    """One process for the previews of all tests, because loading torch takes seconds."""

    def close(self) -> None:
        self.latest = self._requested = None


PREVIEWS = SharedPreviews()


class Opened:
    """The form in a running app, and shortcuts for tests."""

    def __init__(self, app: TuitrainApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def form(self) -> NewRunScreen:
        assert isinstance(self.app.screen, NewRunScreen)
        return self.app.screen

    @property
    def fields(self) -> dict[str, Field]:
        return self.form.form.fields

    @property
    def current(self) -> Field:
        field = self.form.form.current
        assert field is not None
        return field

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, key: str, text: str) -> None:
        """Replace the text of the field `key`, all at once."""
        self.fields[key].target.focus()
        await self.press("ctrl+u")
        self.app.post_message(Paste(text))
        await self.pilot.pause()

    async def focus(self, key: str) -> None:
        self.fields[key].target.focus()
        await self.pilot.pause()

    async def answer(self, text: str) -> None:
        """Answer the prompt."""
        assert isinstance(self.app.screen, PromptScreen)
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    def text(self, key: str) -> str:
        return self.fields[key].text

    def row(self, key: str) -> str:
        return self.fields[key].render().plain

    def said(self, name: str) -> str:
        """Return the text of the widget `name`, empty while another screen is on top."""
        return "".join(str(widget.render()) for widget in self.app.screen.query(f"#{name}").results(Static))

    @property
    def config(self) -> Config:
        config = self.form.result.config
        assert config is not None
        return config

    @property
    def previewed(self) -> bool:
        """Whether the form shows the complete preview of the present settings."""
        preview = self.form.preview
        return preview is not None and preview.final and preview.config == self.form.result.config

    async def until(self, true: Callable[[], bool]) -> None:
        for _ in range(1200):
            if true():
                # What made it true may not be painted yet.
                await self.pilot.pause()
                return
            await self.pilot.pause(0.05)
        raise AssertionError("it never came")


@asynccontextmanager
async def opened(folder: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Opened]:
    host = ThreadHost()
    app = TuitrainApp(folder / "runs", host)
    try:
        with patch("tuitrain.screens.new_run.screen.PreviewProcess", lambda _: PREVIEWS):
            async with app.run_test(size=size) as pilot:
                await pilot.press("n")
                await pilot.pause()
                yield Opened(app, pilot)
    finally:
        host.cancel()
        host.join()
