"""The results, and published results for comparison."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

from study_page.runs import Group, Setting, Study
from study_page.text import TITLES, cells, format_mean_sd, paragraph, points, table
from tuitrain.analysis import units
from tuitrain.analysis.table.groups import mean_sd
from tuitrain.text import plain


@dataclass(frozen=True)
class Published:
    """A published test accuracy of this network; `about` marks an approximate one."""

    setting: Setting
    accuracy: float
    about: bool = False


PUBLISHED = (
    Published(Setting("sgd", "sigmoid", 0.01, 1), 0.1922),
    Published(Setting("sgd", "sigmoid", 0.01, 10), 0.7004),
    Published(Setting("sgd", "sigmoid", 0.01, 100), 0.98, about=True),
    Published(Setting("adam", "sigmoid", 0.01, 10), 0.9681),
)


def conditions(study: Study) -> Iterator[str]:
    run = study.runs[0]
    data, sizes = run.config.data, run.info.sizes
    pixels = "normalized pixels" if data.normalize else "pixels in [0, 1]"
    held = "" if sizes.get("validation") else " (none held out)"
    counts = sorted({group.test.n for group in study.groups.values()})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    unfinished = f" Unfinished runs not included: {study.left_out}." if study.left_out else ""
    yield paragraph(
        f"{plain(run.info.model)}, {run.info.parameters:,} parameters, on {data.dataset}: {sizes.get('train', 0):,} "
        f"training images{held}, {sizes.get('test', 0):,} test images, {pixels}, batch size {data.batch_size}, "
        f"{run.config.schedule.name} learning rate. {len(study.runs)} runs, n = {seeds} seeds per setting.{unfinished} "
        '"Best" below means best on the test images: that describes these runs; never choose settings this way.'
    )


def results(study: Study) -> Iterator[str]:
    head = [*TITLES.values(), "test accuracy", "sd", "lowest", "highest", "n", "train, epoch 1", "time"]
    rows = []
    for group in study.groups.values():
        sd = units.UNKNOWN if group.test.sd is None else f"{100 * group.test.sd:.2f}"
        first = units.percent(group.first_epoch.mean if group.first_epoch else None)
        rows.append([*cells(group.setting), units.percent(group.test.mean), sd, *map(units.percent, group.extremes),
                     str(group.test.n), first, units.duration(group.seconds.mean)])  # fmt: skip
    yield "## Results"
    yield table(head, rows, right=9)
    yield paragraph(
        "Test accuracy: mean over the seeds, sample standard deviation (n − 1) in percentage points, lowest and "
        "highest. Train, epoch 1: accuracy on the training images during the first epoch, each measured just before "
        "the step that trains on it; it shows how fast a setting starts to learn. Time: mean training time of a run."
    )
    for name, same in study.same_optimizers:
        yield paragraph(
            f"{name} and {same} give bit-identical results here: they differ only in how they decay weights, and "
            f"`optimizer.weight_decay` is 0. The rest of this page shows {same} for both."
        )


def comparison(study: Study) -> Iterator[str]:
    """Yield the comparison with published results, or nothing if these are for other data."""
    pairs = [(result, study.groups[result.setting]) for result in PUBLISHED if result.setting in study.groups]
    if not pairs or study.runs[0].config.data.dataset != "mnist":
        return
    rows = []
    for result, group in pairs:
        figure = f"about {100 * result.accuracy:.0f} %" if result.about else units.percent(result.accuracy)
        low, high = map(units.percent, group.extremes)
        rows.append([str(result.setting), figure, format_mean_sd(group.test), f"{low} to {high}", str(group.test.n),
                     points(group.test.mean - result.accuracy)])  # fmt: skip
    yield "## Comparison with published results"
    yield table(["setting", "published", "here", "lowest to highest", "n", "difference"], rows, right=5)
    for result, group in pairs:
        yield paragraph(f"**{result.setting}.** {_explain(study, group, result)}")


def _explain(study: Study, group: Group, published: Published) -> str:
    """Explain the difference from the published result by what the runs show."""
    if group.setting.epochs == 1:
        return _plateau(group, published)
    if group.setting.epochs >= 100:
        return _long(study, group)
    text = _agreement(group, published)
    others = [other.test.mean for setting, other in study.groups.items()
              if (setting.optimizer, setting.epochs) == (group.setting.optimizer, group.setting.epochs)]  # fmt: skip
    if group.setting.optimizer == "adam" and len(others) > 1:
        text += (
            " The activation and learning rate of the published result are uncertain; depending on these, adam reaches "
            f"{units.percent(min(others))} to {units.percent(max(others))} here."
        )
    return text


def _agreement(group: Group, published: Published) -> str:
    sd = group.test.sd
    if not sd:
        return "A single run cannot show how much of the difference comes from the seed."
    ratio = abs(group.test.mean - published.accuracy) / sd
    verdict = "the two agree" if ratio <= 2 else "that is more than the seed explains"
    return f"The difference is {ratio:.1f} standard deviations of a single run: {verdict}."


def _plateau(group: Group, published: Published) -> str:
    classes = len(group.evaluations[0].classes)
    losses = mean_sd(evaluation.loss for evaluation in group.evaluations)
    if max(group.predicted_classes) == classes or losses is None:
        return _agreement(group, published)
    return (
        f"After one epoch the models have learned almost nothing: the test loss, {units.loss(losses.mean)}, is hardly "
        f"below that of a random guess, ln {classes} = {units.loss(log(classes))}. Each model predicts only "
        f"{' or '.join(map(str, sorted(set(group.predicted_classes))))} of the {classes} classes, so its accuracy is "
        "the share of these classes in the test split. The published accuracy is the share of about "
        f"{classes * published.accuracy:.0f} classes. Which and how many classes a model predicts depends on the seed."
    )


def _long(study: Study, group: Group) -> str:
    text = "Plain gradient descent does not reach the published accuracy."
    if group.train and group.train.mean - group.test.mean < 0.01:
        train = format_mean_sd(group.train)
        text += f" With {train} on the training images, it does not overfit; it is still improving."
    relu = study.groups.get(group.setting._replace(activation="relu"))
    if relu is not None:
        text += f" With relu instead of sigmoid it reaches {format_mean_sd(relu.test)}."
    return f"{text} Training took {units.duration(group.seconds.mean)} per run here, and ten minutes as published."
