"""Draw the charts of the study page as SVG, with tuitrain's own chart widgets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from study_page.runs import Group, Setting, Study, epochs
from tuitrain.analysis import units
from tuitrain.analysis.curves import METRICS, RunSeries, ScaledSequence
from tuitrain.analysis.table.groups import mean_band
from tuitrain.analysis.table.markers import RunMarker, assign_markers
from tuitrain.config.formatting import format_value
from tuitrain.widgets.charts.chart import Chart
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import ALL, View
from tuitrain.widgets.terminal.colors import theme_color
from tuitrain.widgets.terminal.themes import load_themes, shipped_themes_folder

GRADIENTS = "study-gradients.svg"
SIZE = (120, 20)
MARKERS = ("braille", "•", "×", "+", "o", "^")
LOG = View(log_y=True)


class ChartApp(App[None]):
    """An app that shows only the given widgets, in the dark theme."""

    def __init__(self, widgets: Sequence[Widget]) -> None:
        super().__init__()
        self.widgets = widgets
        for loaded in load_themes([shipped_themes_folder()]).values():
            self.register_theme(loaded.theme)
        self.theme = "tuitrain-dark"

    def compose(self) -> ComposeResult:
        yield Horizontal(*self.widgets)


Show = Callable[[ChartApp], None]


async def _save_screenshot(path: Path, title: str, widgets: Sequence[Widget], show: Show) -> None:
    app = ChartApp(widgets)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        show(app)
        await pilot.pause()
        path.write_text(app.export_screenshot(title=title, simplify=True), encoding="utf-8")


def curves(path: Path, title: str, groups: Sequence[Group], markers: Mapping[str, RunMarker]) -> None:
    """Draw training loss and accuracy by epoch: mean and standard deviation of each group.

    `markers` maps names to markers, so that a name looks the same in all pictures.
    """
    drawn = [RunSeries(name, markers[name], group.runs) for group in groups for name in [_name(group.setting)]]
    overlays = [_overlay("loss", LOG), _overlay("accuracy", ALL)]

    def show(_: ChartApp) -> None:
        for overlay in overlays:
            overlay.show(drawn)

    asyncio.run(_save_screenshot(path, title, overlays, show))


def _overlay(column: str, view: View) -> ComparisonCharts:
    overlay = ComparisonCharts()
    overlay.chosen = next(metric for metric in METRICS if (metric.split, metric.column) == ("train", column))
    for chart in overlay.charts:
        chart.braille, chart.view = True, view
    return overlay


def gradients(path: Path, title: str, groups: Sequence[Group]) -> None:
    """Draw the gradient norm of each layer by epoch, averaged over runs: one chart per group, with a common y axis."""
    curves = [[_norms(group, layer) for layer in range(len(group.runs[0].layers))] for group in groups]
    norms = [norm for chart in curves for _, y in chart for norm in y if norm > 0]
    view = replace(LOG, y_from=min(norms), y_to=max(norms)) if norms else LOG
    charts = [
        Chart(f"gradient norm by layer: {group.setting.activation}", x_label="epoch", x_format=units.number,
              home=view, braille=True)
        for group in groups
    ]  # fmt: skip

    def show(app: ChartApp) -> None:
        for chart, lines, group in zip(charts, curves, groups, strict=True):
            names = group.runs[0].info.layers
            chart.update([
                Line(name, x, y, theme_color(app, f"series-{number + 1}"), MARKERS[number % len(MARKERS)])
                for number, (name, (x, y)) in enumerate(zip(names, lines, strict=False))
            ])  # fmt: skip

    asyncio.run(_save_screenshot(path, title, charts, show))


def _norms(group: Group, layer: int) -> tuple[Sequence[float], Sequence[float]]:
    curves = [
        (ScaledSequence(run.train.step, unit=max(1, run.state.steps_per_epoch)), run.layers[layer])
        for run in group.runs
    ]
    return mean_band(curves)[:2]


def _name(setting: Setting) -> str:
    return f"{setting.optimizer}-{setting.activation}"


def make_pictures(study: Study, folder: Path) -> dict[str, str]:
    """Draw all pictures into the folder and return their captions by file name; skip curves of a single group."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, str] = {}
    markers = assign_markers([_name(group.setting) for group in study.originals])
    for length, lr in product(study.levels("epochs"), reversed(study.levels("lr"))):
        groups = [group for group in study.originals if group.setting[2:] == (lr, length)]
        if len(groups) > 1:
            title = f"lr {format_value(lr)}, {epochs(int(length))}"
            name = f"study-lr-{format_value(lr)}-epochs-{length}.svg"
            curves(folder / name, title, groups, markers)
            made[name] = f"Training loss and accuracy: {title}"
    if len(groups := study.activations) > 1:
        title = f"{groups[0].setting.optimizer}, lr {format_value(groups[0].setting.lr)}"
        gradients(folder / GRADIENTS, title, groups)
        made[GRADIENTS] = f"Gradient norm by layer: {title}"
    return made
