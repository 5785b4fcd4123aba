from textual.app import App, ComposeResult

from tuitrain.widgets.forms.fixed_input import FixedInput


class Narrow(App[None]):
    CSS = "FixedInput { width: 10; }"

    def compose(self) -> ComposeResult:
        yield FixedInput(compact=True)

    @property
    def shown(self) -> str:
        return self.query_one(FixedInput).render_line(0).text


async def test_the_cursor_stays_in_sight_of_a_text_that_is_too_long() -> None:
    app = Narrow()
    async with app.run_test() as pilot:
        await pilot.press(*"abcdefghijklmnop")
        assert app.shown.rstrip() == "hijklmnop"
        await pilot.press("home")
        assert app.shown == "abcdefghijk"
        await pilot.press("end", *["backspace"] * 14)
        assert app.shown.rstrip() == "ab"
