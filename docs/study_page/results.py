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
    out = f" {study.left_out} more had not finished, and are left out." if study.left_out else ""
    yield paragraph(
        f"{plain(run.info.model)}, {run.info.parameters:,} parameters, on {data.dataset}: {sizes.get('train', 0):,} "
        f"images to train on{held}, {sizes.get('test', 0):,} to test on, {pixels}, {data.batch_size} images a step, "
        f"{run.config.schedule.name} learning rate. {len(study.runs)} runs, n = {seeds} seeds a setting.{out} "
        '"Best" below means best on the test images: that describes these runs, and is no way to choose settings.'
    )


def results(study: Study) -> Iterator[str]:
    head = [*TITLES.values(), "test accuracy", "sd", "lowest", "highest", "n", "train, epoch 1", "time"]
    rows = []
    for group in study.groups.values():
        sd = units.UNKNOWN if group.test.sd is None else f"{100 * group.test.sd:.2f}"
        first = units.percent(group.first_epoch.mean if group.first_epoch else None)
        rows.append([*cells(group.setting), units.percent(group.test.mean), sd, *map(units.percent, group.extremes),
                     str(group.test.n), first, units.duration(group.seconds.mean)])  # fmt: skip
    yield "## What came out"
    yield table(head, rows, right=9)
    yield paragraph(
        "Test accuracy: mean over the seeds, the sample's standard deviation (n − 1) in percentage points, lowest and "
        "highest. Train, epoch 1: accuracy on the training images in the first epoch, each just before the step that "
        "learned from it; it says how fast a setting gets going. Time: training, mean of a run, in minutes and seconds."
    )
    for one, other in study.same_optimizers:
        yield paragraph(
            f"{one} is {other} here, to the last bit: the two differ in how they decay weights, and "
            "`optimizer.weight_decay` is 0. In what follows they count as one."
        )


def published(study: Study) -> Iterator[str]:
    """Yield the comparison with published results, or nothing if these are for other data."""
    found = [(one, study.groups[one.setting]) for one in PUBLISHED if one.setting in study.groups]
    if not found or study.runs[0].config.data.dataset != "mnist":
        return
    rows = []
    for one, group in found:
        figure = f"about {100 * one.accuracy:.0f} %" if one.about else units.percent(one.accuracy)
        low, high = map(units.percent, group.extremes)
        rows.append([str(one.setting), figure, format_mean_sd(group.test), f"{low} to {high}", str(group.test.n),
                     points(group.test.mean - one.accuracy)])  # fmt: skip
    yield "## Beside the published figures"
    yield table(["setting", "published", "here", "lowest to highest", "n", "difference"], rows, right=5)
    for one, group in found:
        yield paragraph(f"**{one.setting}.** {_why(study, group, one)}")


def _why(study: Study, group: Group, one: Published) -> str:
    """Explain the difference by the runs."""
    if group.setting.epochs == 1:
        return _plateau(group, one)
    if group.setting.epochs >= 100:
        return _long(study, group)
    text = _agreement(group, one)
    others = [other.test.mean for setting, other in study.groups.items()
              if (setting.optimizer, setting.epochs) == (group.setting.optimizer, group.setting.epochs)]  # fmt: skip
    if group.setting.optimizer == "adam" and len(others) > 1:
        text += (
            " Of the published figure neither activation nor learning rate is certain; depending on these, adam "
            f"reaches {units.percent(min(others))} to {units.percent(max(others))} here."
        )
    return text


def _agreement(group: Group, one: Published) -> str:
    sd = group.test.sd
    if not sd:
        return "One run cannot tell how much of the difference is the seed's."
    ratio = abs(group.test.mean - one.accuracy) / sd
    verdict = "the two agree" if ratio <= 2 else "that is more than the seed explains"
    return f"The difference is {ratio:.1f} standard deviations of a single run: {verdict}."


def _plateau(group: Group, one: Published) -> str:
    classes = len(group.evaluations[0].classes)
    losses = mean_sd(one.loss for one in group.evaluations)
    if max(group.answers) == classes or losses is None:
        return _agreement(group, one)
    return (
        f"Noise of a plateau. The test loss, {units.loss(losses.mean)}, is hardly below that of a guess, "
        f"ln {classes} = {units.loss(log(classes))}: the models take all test images for "
        f"{' or '.join(map(str, sorted(set(group.answers))))} of the {classes} classes, and are right about as often "
        f"as these come up. The published figure is the share of about {classes * one.accuracy:.0f} classes. Which and "
        "how many these are after just one epoch depends on the seed."
    )


def _long(study: Study, group: Group) -> str:
    text = "Plain gradient descent does not come that far."
    if group.train and group.train.mean - group.test.mean < 0.01:
        train = format_mean_sd(group.train)
        text += f" With {train} on the training images it does not overfit: it is still improving."
    relu = study.groups.get(group.setting._replace(activation="relu"))
    if relu is not None:
        text += f" relu in place of sigmoid, all else the same, reaches {format_mean_sd(relu.test)}."
    return f"{text} Published: in ten minutes; here the training of a run took {units.duration(group.seconds.mean)}."
