"""The preview next to the form: data, model size, learning rate, layers."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tuitrain.analysis import units
from tuitrain.analysis.memory import operations
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Values, format_trial
from tuitrain.hosts.preview.preview import NetworkSummary, Preview
from tuitrain.hosts.preview.weights import InitialWeights
from tuitrain.hosts.trust import config_code
from tuitrain.image_folder.splits import counts_with_sources
from tuitrain.text import counted, plain, utf8_locale
from tuitrain.widgets.charts.line import Line
from tuitrain.widgets.charts.render import View, draw
from tuitrain.widgets.terminal.colors import theme_color

# With more classes, the preview shows only the smallest and the largest one.
MAX_CLASSES = 6
# The preview gives advice from this ratio of class sizes on.
IMBALANCED = 3


class ScheduleCurve(Widget):
    """A chart of the learning rate over the epochs."""

    preview: Preview | None = None

    def show(self, preview: Preview) -> None:
        self.preview = preview
        self.refresh()

    def render(self) -> Text:
        if self.preview is None or self.size.height < 3:
            return Text()
        epochs, rates = self.preview.rates()
        muted = theme_color(self, "foreground-muted")
        count = self.preview.config.training.epochs
        title = Text(f"learning rate over {counted(count, 'epoch')}", style=f"rgb({muted[0]},{muted[1]},{muted[2]})")
        chart = draw(
            [Line("", epochs, rates, theme_color(self, "accent"))],
            self.size.width,
            self.size.height - 1,
            View(y_from=0, y_to=self.preview.config.optimizer.lr),
            braille=utf8_locale(),
            foreground=muted,
            grid=theme_color(self, "foreground-disabled"),
            empty="",
        )
        return Text("\n", no_wrap=True).join([title, chart])


class LayerList(VerticalScroll, can_focus=True):
    """The layers in execution order; focusable if they need scrolling."""

    def compose(self) -> ComposeResult:
        yield Static(id="layers")

    def allow_focus(self) -> bool:
        return self.max_scroll_y > 0 and super().allow_focus()


class PreviewPanel(Vertical):
    """All parts of the preview, laid out by the screen's style sheet."""

    def compose(self) -> ComposeResult:
        yield Static(id="facts")
        yield ScheduleCurve()
        yield Static(id="columns")
        yield LayerList()

    def show(self, preview: Preview, runs: int, first: Values, *, compact: bool) -> None:
        """Show the preview of the `first` of `runs` runs."""
        head, lines = layer_table(preview)
        self._update("facts", facts(preview, runs, first, compact=compact))
        self._update("columns", head)
        self._update("layers", lines)
        self.query_one(ScheduleCurve).show(preview)

    def _update(self, name: str, content: Content) -> None:
        """Update a text unless it shows `content` already. Lines do not wrap: only their number affects the layout."""
        text = self.query_one(f"#{name}", Static)
        shown = text.content
        if not isinstance(shown, Content):
            text.update(content)
        elif not content.is_same(shown):
            text.update(content, layout=len(content.split("\n")) != len(shown.split("\n")))


def facts(preview: Preview, runs: int, first: Values, *, compact: bool) -> Content:
    """Return the facts about the run, one per line, or in fewer lines if `compact`."""
    lines = [*_network_lines(preview, compact=compact), *_data_lines(preview, compact=compact)]
    lines += [("code", str(code)) for code in config_code(preview.config)]
    if preview.splits is not None and preview.splits.notes:
        lines.append(("note", plain("; ".join(preview.splits.notes), 300)))
    if preview.problem:
        # In place of the network, or of the images, which are unknown.
        row = 0 if preview.splits else next(row for row, (name, _) in enumerate(lines) if name == "images")
        lines[row] = ("✗", plain(preview.problem))
    if runs > 1:
        lines.insert(len(lines) if compact else 0, ("first", f"of {runs:,} runs: {format_trial(first)}"))
    return Content("\n").join(
        Content.assemble((name.ljust(9), "$text-error" if name == "✗" else "$foreground-muted"), text)
        for name, text in lines
    )


def _network_lines(preview: Preview, *, compact: bool) -> list[tuple[str, str]]:
    network, need = preview.network, preview.need
    if network is None:
        lines = [("network", "-" if preview.final else "building …")]
        lines += [] if compact else [("size", "-" if preview.final else "…")]
    elif compact:
        # The memory is worth more than the operations where only one of them fits.
        parts = plain(network.title), _parameters(network), str(need or _least_memory(preview))
        lines = [("network", " · ".join(parts))]
    else:
        work = f" · {operations(need.step.flops)} per step" if need else ""
        lines = [("network", plain(network.title)), ("size", f"{_parameters(network)}{work}")]
        lines.append(("memory", str(need or _least_memory(preview))))
    if need and not need.fits:
        lines.append(("✗", f"does not fit: needs {units.size(need.total)}. Try a smaller batch_size, with accumulate"))
    return [*lines, ("weights", _weights(preview.weights))] if preview.weights else lines


def _parameters(network: NetworkSummary) -> str:
    return f"{units.count(network.parameters)} parameters"


def _least_memory(preview: Preview) -> str:
    optimizer = preview.config.optimizer.name
    limit = "at most " if optimizer == "muon" else ""
    return f"{limit}{units.size(preview.memory_bytes)} with {optimizer}"


def _weights(weights: InitialWeights) -> str:
    """Return what becomes of the tensors of the initial weights, and the images that they were trained on."""
    info, parts = weights.info, []
    if weights.missing:
        parts.append("downloaded when the run starts")
    elif weights.counted:
        created = f"{info.created:,} created{' (classifier)' * bool(info.created)}"
        parts.append(f"{info.loaded:,} loaded, {created}, {info.skipped:,} skipped")
    if weights.network:
        parts.append(f"{plain(weights.network, 60)} of {plain(weights.run, 60)}")
    if info.size:
        parts.append(f"{info.size}x{info.size}")
    if info.mean:
        mean, std = (", ".join(f"{value:.3g}" for value in values) for values in (info.mean, info.std))
        parts.append(f"mean {mean}, std {std}")
    return " · ".join(parts) or "…"


def _data_lines(preview: Preview, *, compact: bool) -> list[tuple[str, str]]:
    split, steps, location = ("-", "-", "-") if preview.problem else ("counting …", "…", "…")
    if preview.splits is None:
        return [("images", split), ("steps", steps), ("data", location)]
    sizes = preview.splits
    prefix = "more than " if sizes.truncated else ""
    counts = {"train": sizes.train, "validation": sizes.validation, "test": sizes.test}
    split = prefix + " · ".join(counts_with_sources(counts, sizes.sources))
    if preview.steps_per_epoch:
        steps = f"{preview.steps_per_epoch:,} per epoch · {preview.steps:,} in total"
    lines = [("images", split), ("steps", steps)]
    if not (compact and sizes.per_class):
        # The classes say more about a folder than its path.
        lines.append(("data", plain(sizes.location)))
    if sizes.per_class:
        lines.append(("classes", _class_sizes(sizes.per_class)))
        lines += zip(("balance", ""), _imbalance(sizes.per_class, preview.config), strict=False)
    return lines


def _class_sizes(sizes: Sequence[tuple[str, int]]) -> str:
    """Return the training images of each class, or of the smallest and the largest of many classes."""
    if len(sizes) <= MAX_CLASSES:
        return " · ".join(f"{count:,} {name}" for name, count in sizes)
    (small, least), (large, most) = (choose(sizes, key=lambda size: size[1]) for choose in (min, max))
    return f"{len(sizes):,} classes with {least:,} ({small}) to {most:,} ({large}) images"


def _imbalance(sizes: Sequence[tuple[str, int]], config: Config) -> list[str]:
    """Return how unequal the classes are and what to do about it, in short lines; empty if it does not matter."""
    least, most = min(count for _, count in sizes), max(count for _, count in sizes)
    if most < IMBALANCED * least:
        return []
    ratio = (
        f"largest class {units.number(most / least)} times the smallest" if least else "a class has no training images"
    )
    treated = config.training.class_weights != "none" or config.data.sampler == "balanced"
    advice = [] if treated else ["class_weights = balanced"]
    advice += ["best = macro-f1"] if config.training.best in ("loss", "accuracy") else []
    return [ratio, f"try {' and '.join(advice)}"] if advice else [ratio]


def layer_table(preview: Preview) -> tuple[Content, Content]:
    if preview.problem:
        return Content(""), Content(plain(preview.problem, 1000)).stylize("$text-error")
    if preview.network is None:
        waiting = "" if preview.final else "loading torch …"
        return Content(""), Content(waiting).stylize("$foreground-disabled")
    rows = [
        (
            plain(layer.kind, 24),
            "×".join(map(str, layer.output)) or "-",
            f"{layer.parameters:,}" if layer.parameters else "",
        )
        for layer in preview.network.layers
    ]
    head = ("layer", "output", "parameters")
    first, second, third = (max(len(row[column]) for row in (head, *rows)) for column in range(3))
    title, *lines = [f"{a:<{first}}  {b:>{second}}  {c:>{third}}" for a, b, c in (head, *rows)]
    more = f"   {len(rows):,} layers"
    return Content.assemble((title, "$foreground-muted"), (more, "$foreground-disabled")), Content("\n".join(lines))
