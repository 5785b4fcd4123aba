"""The sections about one run."""

import time
from collections.abc import Sequence

from tuitrain.analysis import health, summary, units
from tuitrain.config.code import without_folder
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import settings
from tuitrain.report.blocks import Block, Charts, Facts, Headline, Quote, Section, Table, Text
from tuitrain.report.results import Results
from tuitrain.report.verdict import verdict_blocks
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Score
from tuitrain.text import counted

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
# Facts with many values name the first ones.
_MOST = 40


def headline(run: Follower, results: Results) -> list[Block]:
    """Return the result, what is wrong with the run, the verdict, the user's notes and the state of the run."""
    blocks: list[Block] = []
    if results.accuracy is not None:
        blocks.append(Headline(*results.accuracy))
    elif (found := summary.result(run)) is not None:
        blocks.append(Headline(*found))
    else:
        blocks.append(Text("No accuracy has been measured.", "missing"))
    blocks += [Text(text, "warning") for text in _warnings(run, results)]
    if results.evaluation is not None:
        blocks += verdict_blocks(run, results.evaluation)
    if run.info.notes:
        blocks.append(Quote(run.info.notes.splitlines()))
    return [*blocks, Facts(_identity(run))]


def _warnings(run: Follower, results: Results) -> list[str]:
    reasons = {
        "damaged": f"The run is damaged: {run.problem}",
        "failed": f"The run failed: {run.state.reason or 'the reason is unknown'}",
        "interrupted": f"The training process is gone, after step {run.state.step:,}.",
        "queued": "The run has not started.",
        "running": "The run is not finished: all numbers are those at the time of this report.",
        "paused": "The run is paused: all numbers are those at the time of this report.",
        "stopped": f"The run was stopped after epoch {run.state.epoch} of {run.state.epochs}.",
    }
    lines = [reasons[run.status]] if run.status in reasons else []
    lines += [f"{text[:1].upper()}{text[1:]}." for text in health.problems(run)] if not run.problem else []
    lines += [f"It could not be resumed: {run.state.not_continued}"] if run.state.not_continued else []
    if run.damaged_rows:
        lines.append(f"{run.damaged_rows:,} damaged rows of its metrics are left out.")
    return lines + list(results.problems)


def _identity(run: Follower) -> list[tuple[str, str]]:
    state = run.state
    epochs = f"{summary.counted_epochs(run)}, {counted(state.step, 'step')}" if state.step else ""
    ended = f"{_date(state.ended)} ({state.reason})" if state.reason and state.ended else _date(state.ended)
    rows = [
        ("state", run.status),
        ("tags", " ".join(f"#{tag}" for tag in run.info.tags)),
        ("started", _date(state.started or run.info.created)),
        ("ended", ended),
        ("trained", ", ".join(filter(None, (epochs, _time(run))))),
        ("run", run.folder.id),
    ]
    return [(name, value) for name, value in rows if value]


def _time(run: Follower) -> str:
    seconds, speed = run.state.seconds, run.state.samples_per_second
    return f"{units.duration(seconds)}" + (f", {units.rate(speed)} images/s" if speed else "") if seconds else ""


def _date(timestamp: float | None) -> str:
    """Return the local date and time; empty if it is unknown or no date."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp)) if timestamp else ""
    except (OverflowError, OSError, ValueError):
        return ""


def scores(run: Follower) -> Section:
    """Return accuracy and loss of each split after the last and the best epoch."""
    state, best = run.state, run.state.best
    columns: list[tuple[str, dict[str, Score | None]]] = [
        (f"epoch {state.epoch} (last)", {"train": state.train, "validation": state.validation, "test": state.test})
    ]
    if best is not None and best.step != state.step:
        columns.append((f"epoch {best.epoch} (best)", {"validation": best.validation, "test": best.test}))
    lines = [["split", *(f"{part}, {title}" for title, _ in columns for part in ("accuracy", "loss"))]]
    for split, title in SPLITS.items():
        values = [found.get(split) for _, found in columns]
        if any(values):
            numbers = (units.percent(value.measured if value else None) for value in values)
            losses = (units.loss(value.loss if value else None) for value in values)
            lines.append([title, *(cell for pair in zip(numbers, losses, strict=True) for cell in pair)])
    if len(lines) == 1:
        return Section("Scores", [Text("The run has no scores yet.", "missing")])
    blocks: list[Block] = [Table(lines, range(1, len(lines[0])))]
    if best is not None:
        reason = f"The best epoch is {best.epoch}, with the {best.criterion}: {summary.best_value(best)}."
        blocks.append(Text(reason))
    return Section("Scores", blocks)


def chosen_settings(run: Follower) -> Section:
    """Return the settings that differ from their defaults."""
    declared, found = settings(), summary.settings(run)
    if run.folder.read_only:
        lines = [["setting", "value"], *([key, format_value(value)] for key, value in found.items())]
        block: Block = Table(lines) if found else Text("The event files contain no settings.", "missing")
        return Section("Settings", [block])
    if not found:
        return Section("Settings", [Text("All settings have their defaults." if not run.problem else
                                         "The settings are unknown.", "missing")])  # fmt: skip
    lines = [["setting", "value", "default"]]
    lines += [[key, format_value(value), format_value(declared[key].default)] for key, value in found.items()]
    return Section("Settings that differ from their defaults", [Table(lines)])


def data_and_network(run: Follower) -> list[Section]:
    """Return the sections about the data set and the network."""
    info = run.info
    if isinstance(info, ExternalRunInfo):
        metrics = [f"{name} ({points:,})" for name, points in list(info.curves.items())[:_MOST]]
        results = [f"{name}={format_value(value)}" for name, value in list(info.results.items())[:_MOST]]
        rows = [("read from", info.files), ("metrics", ", ".join(metrics) or "none")]
        rows += [("results", ", ".join(results))] if results else []
        return [Section("Data", [Facts(rows)])]
    if not info.sizes:
        return [Section("Data and network", [Text("The run records neither: it has not begun to train.", "missing")])]
    return [Section("Data", _data(run)), Section("Network", [Facts(_network(run))])]


def _data(run: Follower) -> list[Block]:
    info, data = run.info, run.config.data
    channels, height, width = info.shape
    rows = [
        ("data set", without_folder(data.dataset)),
        ("classes", f"{len(info.classes):,}: {', '.join(info.classes[:_MOST])}" + (" …" * (len(info.classes) > _MOST))),
        ("images", f"{width} × {height} pixels, {'grey' if channels == 1 else f'{channels} channels'}"),
        ("mean", ", ".join(map(units.number, info.mean))),
        ("standard deviation", ", ".join(map(units.number, info.std))),
    ]
    lines = [["split", "images", "fingerprint"]]
    lines += [
        [title, units.count(info.sizes[split]), info.fingerprints.get(split, units.UNKNOWN)]
        for split, title in SPLITS.items()
        if split in info.sizes
    ]
    return [
        Facts([row for row in rows if row[1]]),
        Table(lines, (1,)),
        *(Text(note) for note in info.data_notes[:_MOST]),
    ]


def _network(run: Follower) -> list[tuple[str, str]]:
    info, optimizer = run.info, run.config.optimizer
    rows = [("network", info.model), ("parameters", units.count(info.parameters))]
    if info.weights is not None:
        loaded = f"{info.weights.loaded:,} tensors loaded, {info.weights.created:,} new"
        rows.append(("pretrained weights", f"{info.weights.source}, {info.weights.file}: {loaded}"))
        rows.append(("SHA-256 of the weights", info.weights.sha256))
    rows += [
        (
            "optimizer",
            f"{optimizer.name}, learning rate {format_value(optimizer.lr)}, {run.config.schedule.name} schedule",
        ),
        ("batch size", _batch_size(run)),
    ]
    return [row for row in rows if row[1]]


def _batch_size(run: Follower) -> str:
    size = run.config.data.batch_size
    return f"{units.count(run.info.batch_size)} (auto)" if size == "auto" else units.count(size)


def in_brief(run: Follower) -> list[Block]:
    """Return data, network and settings of one of several runs."""
    info, rows = run.info, [("settings", "" if run.problem else summary.settings_in_words(run))]
    sizes = [f"{info.sizes[split]:,} {title}" for split, title in SPLITS.items() if split in info.sizes]
    if sizes:
        rows += [("images", ", ".join(sizes)), ("network", f"{info.model}, {units.count(info.parameters)} parameters")]
    return [Facts(rows)] if rows[0][1] else [Text("The settings are unknown.", "missing")]


def curves(run: Follower, number: int) -> Section:
    from tuitrain.report.curves import run_charts  # Matplotlib is slow to import.

    charts = run_charts(run, number)
    blocks: Sequence[Block] = [Charts(charts)] if charts else [Text("The run has no metrics yet.", "missing")]
    return Section("Curves", blocks)
