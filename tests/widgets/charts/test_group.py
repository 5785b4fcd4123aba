"""Charts that share a cursor, while they are closed."""

from textual.app import App, ComposeResult

from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.group import ChartGroup


class Group(ChartGroup):
    def __init__(self) -> None:
        super().__init__([Chart("a"), Chart("b")], "step")

    def arrange_charts(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        self.drawn = self.first


class Groups(App[None]):
    def compose(self) -> ComposeResult:
        yield Group()


async def test_charts_that_close_are_drawn_without_an_error() -> None:
    app = Groups()
    async with app.run_test() as pilot:
        group = app.query_one(Group)
        assert group.drawn is group.charts[0]
        group.charts[0].display = False
        assert group.first is group.charts[1]
        await group.remove_children()
        # A change of the size that arrives now still draws.
        group.on_resize()
        await pilot.pause()
        assert group.drawn is group.charts[0]
