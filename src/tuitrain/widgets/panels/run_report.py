"""The texts and tables of the results screen."""

import time
from collections.abc import Sequence

from textual.content import Content

from tuitrain.analysis import confusion, health, units
from tuitrain.analysis import summary as run_summary
from tuitrain.analysis.verdict import Verdict
from tuitrain.config.code import without_folder
from tuitrain.config.conditions import unused
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import settings
from tuitrain.config.values import flatten
from tuitrain.runs.external_info import ExternalRunInfo
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation, Score
from tuitrain.text import counted, plain
from tuitrain.widgets.panels import error_bars
from tuitrain.widgets.terminal.colors import MUTED, STATUS_STYLES

# The width of the scores of one epoch.
SCORES = 30


def headline(run: Follower, evaluation: Evaluation | None) -> Content:
    """Return `name · finished 13:02 · last test 70.13 % (7,013 of 10,000) · loss 1.0214`."""
    state = run.state
    ended = f" {units.clock(state.ended)}" if state.ended else ""
    status = (run_summary.status_name(run.status, state), STATUS_STYLES.get(run.status, ""))
    line = Content.assemble((plain(run.info.name, 60), "bold"), " · ", status, ended)
    if evaluation is None:
        reason = plain(run.problem or state.reason)
        return line + Content.styled(f" · {reason}" if reason else "", MUTED)
    images, wrong = _images_and_wrong(evaluation)
    title = f"{evaluation.checkpoint} {'val' if evaluation.split == 'validation' else evaluation.split}"
    return Content.assemble(
        line, f" · {title} ", (units.percent(evaluation.accuracy), "bold"),
        (f" ({images - wrong:,} of {images:,}) · loss {units.loss(evaluation.loss)}", MUTED),
    )  # fmt: skip


def _images_and_wrong(evaluation: Evaluation) -> tuple[int, int]:
    """Return the number of images and of wrong predictions."""
    correct, images = confusion.correct_and_total(evaluation.confusion)
    return images, images - correct


def summary(run: Follower, evaluations: Sequence[Evaluation]) -> Content:
    """Return the text of the first page: scores, problems, facts, most confused classes."""
    problems = Content.styled("\n".join(f"! {text}" for text in health.problems(run)), "$warning")
    confused = Content("")
    if evaluations:
        confused = error_bars.confused_pairs(evaluations[0], error_bars.most_confused(evaluations[0]))
    parts = [_reason(run), _scores(run), problems, _facts(run), confused]
    return Content("\n\n").join(part for part in parts if part)


def _reason(run: Follower) -> Content:
    reason = plain(run.problem or run.state.reason)
    color = "$error" if run.status in ("failed", "damaged") else "$warning" if run.status == "interrupted" else MUTED
    if run.status == "interrupted":
        kept = "" if run.folder.read_only else " The checkpoints are kept."
        reason = f"The training process is gone, after step {run.state.step:,}.{kept}"
    refusal = plain(run.state.not_continued)
    lines = [
        Content.styled(reason, color) if reason else Content(""),
        Content.styled(f"It could not be resumed: {refusal}", "$warning") if refusal else Content(""),
    ]
    return Content("\n").join(line for line in lines if line)


def headline_lines(run: Follower, evaluations: Sequence[Evaluation], verdict: Verdict | None) -> Content:
    """Describe the large number in three lines: what it is, how many images are wrong, and its interval, or without a
    verdict the most confused classes."""
    title = (run_summary.result(run) or ("", ""))[1]
    if not evaluations:
        return Content(title)
    evaluation = evaluations[0]
    images, wrong = _images_and_wrong(evaluation)
    lines = [title, f"{wrong:,} of {counted(images, f'{evaluation.split} image')} wrong"]
    if verdict is not None:
        lines.append(f"95 % interval {verdict.interval_text}" if verdict.interval else "")
        return _first_bold(lines)
    pairs = confusion.most_confused(evaluation.confusion, 2)
    # The first of several equally frequent pairs means nothing.
    if pairs and [pair.count for pair in pairs] != [pairs[0].count] * 2:
        true, predicted = (plain(evaluation.classes[index], 24) for index in (pairs[0].true, pairs[0].predicted))
        lines.append(f"most often {true} predicted as {predicted} ({pairs[0].count:,})")
    return _first_bold(lines)


def _first_bold(lines: Sequence[str]) -> Content:
    return Content("\n").join([Content.styled(lines[0], "bold"), *(Content(line) for line in lines[1:])])


def _scores(run: Follower) -> Content:
    """Return a table of the splits: loss and accuracy after the last and, if it is another one, the best epoch."""
    state, best = run.state, run.state.best
    last = {"train": state.train, "val": state.validation, "test": state.test}
    groups: list[tuple[str, dict[str, Score | None]]] = [(f"last epoch ({state.epoch})", last)]
    if best is not None and best.step == state.step:
        groups = [(f"last epoch ({state.epoch}), the best one{best.by}", last)]
    elif best is not None:
        groups.append((f"best epoch ({best.epoch})", {"val": best.validation, "test": best.test}))
    splits = [split for split in last if any(scores.get(split) for _, scores in groups)]
    if not splits:
        return Content("")
    heads = "".join(f"{title:>{SCORES}}" for title, _ in groups)
    lines = [Content.styled(f"{'':<8}{heads}", MUTED)]
    lines += [
        Content.assemble((f"{split:<8}", MUTED), *(_cell(scores.get(split)) for _, scores in groups))
        for split in splits
    ]
    notes = (
        [f"The best epoch has the {best.criterion}: {run_summary.best_value(best)}."]
        if best and len(groups) > 1
        else []
    )
    return Content("\n").join([*lines, *(Content.styled(note, MUTED) for note in notes)])


def _cell(score: Score | None) -> Content:
    if score is None:
        return Content(" " * SCORES)
    numbers = f"{units.percent(score.measured):>10}", f"  loss {units.loss(score.loss)}"
    return Content.assemble(" " * max(SCORES - sum(map(len, numbers)), 0), (numbers[0], "bold"), (numbers[1], MUTED))


def _facts(run: Follower) -> Content:
    rows = _external_facts(run, run.info) if isinstance(run.info, ExternalRunInfo) else _own_facts(run)
    rows |= {f"note {number}": plain(note) for number, note in enumerate(run.info.data_notes[:8], 1)}
    return Content("\n").join(Content.assemble((f"{name:<12}", MUTED), text) for name, text in rows.items())


def _own_facts(run: Follower) -> dict[str, str]:
    info, state = run.info, run.state
    sizes = " · ".join(f"{info.sizes[name]:,} {name}" for name in ("train", "validation", "test") if name in info.sizes)
    versions = " · ".join(
        f"{plain(name, 20)} {plain(version, 30)}" for name, version in list(info.versions.items())[:8]
    )
    facts = {
        "model": f"{plain(info.model)} · {info.parameters:,} parameters",
        "data": " · ".join(filter(None, (without_folder(run.config.data.dataset), sizes))),
        "epochs": f"{state.epoch} of {state.epochs} · {counted(state.step, 'step')}",
        "time": f"{units.duration(state.seconds)} of training · {units.rate(state.samples_per_second)} images/s",
        "host": f"{plain(info.host)} · {plain(info.hardware)} · {counted(info.threads, 'thread')}",
        "versions": versions + (f" · commit {plain(info.git, 60)}" if info.git else ""),
        "settings": plain(run_summary.settings_in_words(run), 2000),
        "command": plain(info.command, 2000),
        "started": _started(run),
        "folder": plain(run.folder.path, 1000),
    }
    # Nothing is known of these before the run has built its network.
    unknown = () if info.model else ("model", "time", "host", "versions")
    return {name: text for name, text in facts.items() if name not in unknown}


def _external_facts(run: Follower, info: ExternalRunInfo) -> dict[str, str]:
    state = run.state
    settings = " ".join(f"{key}={format_value(value)}" for key, value in run_summary.settings(run).items())
    metrics = ", ".join(f"{name} ({points:,})" for name, points in list(info.curves.items())[:40])
    results = " ".join(f"{name}={format_value(value)}" for name, value in list(info.results.items())[:40])
    facts = {
        "read from": info.files,
        "epochs": f"{state.epoch if state.epochs else 'unknown'} · {counted(state.step, 'step')}",
        "time": f"{units.duration(state.seconds)} from the first value to the last",
        "host": plain(info.host),
        "started": _started(run),
        "settings": plain(settings, 2000) or "unknown",
        "results": plain(results, 2000),
        "metrics": plain(metrics, 2000),
        "command": plain(info.command, 2000),
        "folder": plain(run.folder.path, 1000),
    }
    return {name: text for name, text in facts.items() if text}


def _started(run: Follower) -> str:
    started = min(max(run.state.started or run.info.created, 0), 2**35)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(started))


def worst_count(evaluation: Evaluation) -> str:
    """Return how many wrong predictions are stored: `131 of 305 wrong predictions, by loss`."""
    _, wrong = _images_and_wrong(evaluation)
    if not wrong:
        return "no wrong prediction"
    return f"{len(evaluation.worst):,} of {counted(wrong, 'wrong prediction')}, by loss"


def kept_count(evaluation: Evaluation, pair: tuple[int, int] | None) -> str:
    """Return how many images of a matrix cell are stored: `4 of 30 kept, those with the highest loss`."""
    count = evaluation.confusion[pair[0]][pair[1]] if pair else 0
    kept = sum((sample.true, sample.predicted) == pair for sample in evaluation.worst)
    return f"{kept:,} of {count:,} kept" + (", those with the highest loss" if 0 < kept < count else "")


def no_images(evaluation: Evaluation, pair: tuple[int, int] | None) -> str:
    """Return why no image of a matrix cell is stored."""
    if pair is None or not evaluation.confusion[pair[0]][pair[1]]:
        return "No image in this cell"
    if pair[0] == pair[1]:
        return "Images of correct predictions are not stored"
    return "None of these images is stored: only the worst overall and of the most confused pairs are"


def settings_text(run: Follower) -> Content:
    """List all settings, those that differ from their defaults first, and those that the run does not use last; for
    another tool's run, only the known ones."""
    if run.folder.read_only:
        pairs = [(f"  {plain(key):<26} ", plain(format_value(value))) for key, value in run.settings.items()]
        return Content("\n").join(Content.assemble((key, MUTED), value) for key, value in pairs)
    changed, others, ignored = list[Content](), list[Content](), list[Content]()
    for key, value in (flatten(run.config) | run.changes).items():
        default = settings()[key].default
        differs = value != default
        line = Content.assemble(
            (f"{'•' if differs else ' '} {key:<26}", "$accent" if differs else MUTED),
            plain(format_value(value)),
        )
        if key in unused(run.config):
            ignored.append(Content.styled(f"  {key:<26}{plain(format_value(value))}", "$foreground-disabled"))
        elif differs:
            changed.append(line + Content.styled(f"   default {format_value(default)}", MUTED))
        else:
            others.append(line)
    title = [Content.styled("\nNot used by this run", MUTED)] if ignored else []
    return Content("\n").join([*changed, *others, *title, *ignored])
