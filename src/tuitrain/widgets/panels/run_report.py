"""The texts and tables of the results screen."""

import time

from textual.content import Content

from tuitrain.analysis import confusion, health, units
from tuitrain.analysis import summary as run_summary
from tuitrain.config.formatting import format_value
from tuitrain.runs.external import ExternalRunInfo
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation, Score
from tuitrain.text import plain

MUTED = "$foreground 60%"
STATUS = {"running": "$accent", "finished": "$success", "failed": "$error", "paused": "$warning",
          "interrupted": "$warning", "damaged": "$error"}  # fmt: skip


def headline(run: Follower, evaluation: Evaluation | None) -> Content:
    """Return `name · finished 13:02 · last test 70.13 % (7,013 of 10,000) · loss 1.0214`."""
    state = run.state
    ended = f" {units.clock(state.ended)}" if state.ended else ""
    line = Content.assemble((plain(run.info.name, 60), "bold"), " · ", (run.status, STATUS.get(run.status, "")), ended)
    if evaluation is None:
        return line + Content.styled(
            f" · {plain(run.problem or state.reason)}" if run.problem or state.reason else "", MUTED
        )
    correct, count = (
        sum(row[index] for index, row in enumerate(evaluation.confusion)),
        sum(map(sum, evaluation.confusion)),
    )
    title = f"{evaluation.checkpoint} {'val' if evaluation.split == 'validation' else evaluation.split}"
    return Content.assemble(
        line, f" · {title} ", (units.percent(evaluation.accuracy), "bold"),
        (f" ({correct:,} of {count:,}) · loss {units.loss(evaluation.loss)}", MUTED),
    )  # fmt: skip


def summary(run: Follower, evaluations: list[Evaluation]) -> Content:
    """Return the first page: scores, problems, facts, most confused classes."""
    problems = Content.styled("\n".join(f"! {text}" for text in health.problems(run)), "$warning")
    confused = _confused(evaluations[0]) if evaluations else Content("")
    parts = [_reason(run), _scores(run), problems, _facts(run), confused]
    return Content("\n\n").join(part for part in parts if part)


def _reason(run: Follower) -> Content:
    reason = plain(run.problem or run.state.reason)
    color = "$error" if run.status in ("failed", "damaged") else "$warning" if run.status == "interrupted" else MUTED
    if run.status == "interrupted":
        reason = f"The training process is gone, after step {run.state.step:,}. The checkpoints are kept."
    refusal = plain(run.state.not_continued)
    lines = [
        Content.styled(reason, color) if reason else Content(""),
        Content.styled(f"It could not be resumed: {refusal}", "$warning") if refusal else Content(""),
    ]
    return Content("\n").join(line for line in lines if line)


def _scores(run: Follower) -> Content:
    state, best = run.state, run.state.best
    lines = [Content.styled(f"{'':<16}{'loss':>10}{'accuracy':>12}", MUTED)]
    rows: list[tuple[str, Score | None]] = [
        ("train", state.train),
        ("last val", state.validation),
        ("last test", state.test),
    ]
    if best is not None:
        rows += [("best val", best.validation), ("best test", best.test)]
    for name, score in rows:
        if score is not None:
            numbers = f"{units.loss(score.loss):>10}", (f"{units.percent(score.measured):>12}", "bold")
            lines.append(Content.assemble((f"{name:<16}", MUTED), *numbers))
    if best is not None:
        lines.append(Content.styled(f"best epoch: {best.epoch} (lowest validation loss)", MUTED))
    return Content("\n").join(lines) if len(lines) > 1 else Content("")


def _facts(run: Follower) -> Content:
    info, state = run.info, run.state
    sizes = " · ".join(f"{info.sizes[name]:,} {name}" for name in ("train", "validation", "test") if name in info.sizes)
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(min(max(state.started or info.created, 0), 2**35)))
    versions = " · ".join(
        f"{plain(name, 20)} {plain(version, 30)}" for name, version in list(info.versions.items())[:8]
    )
    differing = " ".join(f"{key}={format_value(value)}" for key, value in run_summary.settings(run).items())
    rows = {
        "model": f"{plain(info.model)} · {info.parameters:,} parameters",
        "data": f"{run.config.data.dataset} · {sizes}",
        "epochs": f"{state.epoch} of {state.epochs} · {state.step:,} steps",
        "time": f"{units.duration(state.seconds)} of training · {units.rate(state.samples_per_second)} images/s",
        "host": f"{plain(info.host)} · {plain(info.device)} · {info.threads} thread{'s' * (info.threads != 1)}",
        "versions": versions + (f" · commit {plain(info.git, 60)}" if info.git else ""),
        "started": f"{started} · {plain(info.command, 2000)}",
        "settings": plain(differing, 2000) or "all defaults",
        "folder": plain(run.folder.path, 1000),
    }
    if isinstance(info, ExternalRunInfo):
        tags = ", ".join(f"{tag} ({points:,})" for tag, points in list(info.curves.items())[:40])
        rows = {
            "read from": "TensorBoard event files of another tool",
            "epochs": f"{state.epoch if state.epochs else 'unknown'} · {state.step:,} steps",
            "time": f"{units.duration(state.seconds)} from the first value to the last",
            "host": plain(info.host),
            "started": started,
            "settings": plain(differing, 2000) or "unknown",
            "tags": plain(tags, 2000),
            "folder": rows["folder"],
        }
    rows |= {f"note {number}": plain(note) for number, note in enumerate(info.data_notes[:8], 1)}
    return Content("\n").join(Content.assemble((f"{name:<12}", MUTED), text) for name, text in rows.items())


def _confused(evaluation: Evaluation) -> Content:
    pairs = confusion.most_confused(evaluation.confusion, 8)
    names = [plain(name, 24) for name in evaluation.classes]
    if not pairs:
        return Content(f"No wrong prediction on the {evaluation.split} split")
    lines = [Content.styled(f"most confused on {evaluation.split}", MUTED)]
    width = max(len(f"{names[pair.true]} → {names[pair.predicted]}") for pair in pairs)
    for pair in pairs:
        text = f"{names[pair.true]} → {names[pair.predicted]}"
        lines.append(Content(f"  {text:<{width}}  {pair.count:>6,}  {units.percent(pair.fraction):>8} of the class"))
    return Content("\n").join(lines)


def worst_count(evaluation: Evaluation) -> str:
    """Return how many wrong predictions are stored: `131 of 305 wrong predictions, by loss`."""
    correct = sum(row[index] for index, row in enumerate(evaluation.confusion))
    stored, wrong = len(evaluation.worst), sum(map(sum, evaluation.confusion)) - correct
    if not wrong:
        return "no wrong prediction"
    return f"{stored:,} of {wrong:,} wrong prediction{'s' * (wrong != 1)}, by loss"


def no_images(evaluation: Evaluation, pair: tuple[int, int] | None) -> str:
    """Return why no image of a matrix cell is stored."""
    if pair is None or not evaluation.confusion[pair[0]][pair[1]]:
        return "No image in this cell"
    if pair[0] == pair[1]:
        return "Images of correct predictions are not stored"
    return "None of these images is stored: only the worst overall and of the most confused pairs are"


def class_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Return a row per class: name, images, precision, recall, F1, most frequent wrong prediction."""
    rows = []
    for index, score in enumerate(confusion.class_scores(evaluation.confusion)):
        row = evaluation.confusion[index]
        other = max((n for n in range(len(row)) if n != index), key=lambda n: row[n], default=index)
        confused_with = (
            f"{plain(evaluation.classes[other], 24)} ({row[other]:,})"
            if other != index and row[other]
            else units.UNKNOWN
        )
        numbers = (units.percent(value) for value in (score.precision, score.recall, score.f1))
        rows.append((plain(evaluation.classes[index], 24), units.count(score.support), *numbers, confused_with))
    return rows
