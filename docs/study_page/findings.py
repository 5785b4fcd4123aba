"""The effects of the settings, vanishing gradients, and the significance of differences."""

from collections.abc import Iterator
from itertools import pairwise
from math import comb, sqrt

from study_page.runs import Group, Setting, Study
from study_page.text import TITLES, bullet, cells, format_mean_sd, paragraph, points, span, table
from tuitrain.analysis import units
from tuitrain.analysis.comparison.mcnemar import LEVEL, mcnemar, p_text
from tuitrain.config.formatting import format_value
from tuitrain.text import plain


def effects(study: Study) -> Iterator[str]:
    """Yield the section that compares each value of a setting with the next one, all else equal."""
    duplicates = {name for name, _ in study.same_optimizers}
    rows = []
    for key, title in TITLES.items():
        for before, after in pairwise(study.levels(key)):
            for name in ("",) if key == "optimizer" else study.levels("optimizer"):
                gains = study.gains(key, before, after, str(name))
                if gains and not duplicates & {name, after}:
                    change = f"{title} {format_value(before)} → {format_value(after)}"
                    rows.append([change, str(name) or "-", str(len(gains)), points(min(gains)), points(max(gains))])
    if rows:
        yield "## What each setting does"
        yield paragraph(
            "Change of the mean test accuracy, in percentage points, when a single setting changes: smallest and "
            "largest."
        )
        yield table(["change", "with", "pairs", "smallest", "largest"], rows, right=3)
        yield "\n".join(map(bullet, claims(study)))


def claims(study: Study) -> Iterator[str]:
    """Yield the statements that the numbers support."""
    gains = study.gains("optimizer", "sgd", "adam")
    if gains and min(gains) > 0:
        yield (
            f"**Optimizer.** In the same number of steps, adam changes the test accuracy of sgd by {span(gains)} "
            "points. Adam divides each weight's step by the typical size of its gradient (Kingma and Ba 2015), so "
            "small gradients still give steps of normal size."
        )
    sgd, adam = (study.gains("activation", "sigmoid", "relu", name) for name in ("sgd", "adam"))
    if sgd and adam and min(sgd) > max(map(abs, adam)):
        yield (
            f"**Activation.** Replacing sigmoid by relu changes the accuracy of sgd by {span(sgd)} points and that of "
            f"adam by {span(adam)}: adam compensates for small gradients."
        )
    sgd, adam = (study.gains("lr", 0.001, 0.01, name) for name in ("sgd", "adam"))
    if sgd and adam and min(sgd) > 0 > max(adam):
        yield (
            f"**Learning rate.** Going from 0.001 to 0.01 changes the accuracy of sgd by {span(sgd)} points and that "
            f"of adam by {span(adam)}. The same learning rate means steps of different size in each optimizer: compare "
            "optimizers at the best learning rate of each."
        )
    short, long = (study.groups.get(Setting("sgd", *rest)) for rest in (("relu", 0.01, 10), ("sigmoid", 0.01, 100)))
    gains = study.gains("epochs", 10, 100, "sgd")
    if short and long and gains and min(gains) > 0:
        yield (
            f"**Epochs.** Ten times as many epochs change the accuracy of sgd by {span(gains)} points. sgd reaches "
            f"{format_mean_sd(long.test)} after 100 epochs with sigmoid, and {format_mean_sd(short.test)} after 10 "
            "epochs with relu."
        )
    for group in study.originals:
        if group.setting.epochs > 1 and max(group.predicted_classes) == 1:
            yield (
                f"**Stuck on the initial plateau.** With {group.setting}, each model predicts one class for all test "
                f"images ({units.percent(group.test.mean)}). Other settings start on the same plateau and leave it."
            )


def gradients(study: Study) -> Iterator[str]:
    groups = [group for group in study.originals if len(group.runs[0].layers) > 1]
    if not groups:
        return
    rows = []
    for group in groups:
        first, last = group.norms(1), group.norms(group.setting.epochs)
        rows.append([*cells(group.setting), *map(units.number, first), units.number(first[0] / first[-1]),
                     units.number(last[0] / last[-1])])  # fmt: skip
    layers = [f"`{plain(name)}`" for name in groups[0].runs[0].info.layers]
    yield "## Vanishing gradients"
    yield table([*TITLES.values(), *layers, "first / last layer", "same, last epoch"], rows, right=len(layers) + 4)
    yield paragraph(
        "Gradient norm of each layer: the median over the seeds and the logged steps of the first epoch "
        f"({groups[0].rows(1) // groups[0].test.n} per run). Then the norm of the first layer divided by that of the "
        "last layer, in the first epoch and in the last epoch."
    )
    by_activation = {group.setting.activation: group for group in study.activations}
    sigmoid, relu = by_activation.get("sigmoid"), by_activation.get("relu")
    if sigmoid and relu and _ratio(sigmoid) < _ratio(relu):
        yield paragraph(_vanishing(study, sigmoid, relu))


def _vanishing(study: Study, sigmoid: Group, relu: Group) -> str:
    small, large = _ratio(sigmoid), _ratio(relu)
    text = (
        f"With sigmoid, the gradient norm of the first layer is {units.number(small)} times that of the last layer; "
        f"with relu it is {units.number(large)} times, a factor of {units.number(large / small)} more. Backpropagation "
        "multiplies the gradient by the derivative of each activation: at most 1/4 for sigmoid, and 1 for an active "
        "relu unit. Two hidden layers are enough to show the effect; each further layer multiplies again."
    )
    adam = study.groups.get(sigmoid.setting._replace(optimizer="adam"))
    if sigmoid.setting.optimizer != "sgd" or not adam or not adam.first_epoch or not sigmoid.first_epoch:
        return text
    return (
        f"{text} The steps of sgd shrink with the gradient, those of adam do not: in the first epoch with sigmoid, sgd "
        f"classifies {units.percent(sigmoid.first_epoch.mean)} of the training images correctly and adam "
        f"{units.percent(adam.first_epoch.mean)}."
    )


def _ratio(group: Group) -> float:
    first, *_, last = group.norms(1)
    return first / last


def significance(study: Study) -> Iterator[str]:
    best, *others = sorted(study.originals, key=lambda group: -group.test.mean)
    rivals = [(best, index) for index in range(1, best.test.n)] + [(group, 0) for group in others[:5]]
    if not rivals:
        return
    rows = []
    for group, index in rivals:
        test = mcnemar(best.evaluations[0], group.evaluations[index])
        rows.append([str(group.setting), str(group.runs[index].config.training.seed), units.count(test.only_first),
                     units.count(test.only_second), p_text(test.p), format_mean_sd(group.test)])  # fmt: skip
    images = sum(map(sum, best.evaluations[0].confusion))
    yield "## Significance of the differences"
    yield paragraph(
        f"One run of the setting with the best mean ({best.setting}, seed {best.runs[0].config.training.seed}) "
        f"compared with single runs: how many of the {images:,} test images only one of the two classifies correctly, "
        "and McNemar's exact test on these counts."
    )
    yield table(["compared with", "seed", "only best right", "only other right", "McNemar", "mean ± sd"], rows, right=5)
    yield paragraph(
        f"The test compares two trained models. p < {LEVEL} means that these two models differ on these images, not "
        "that the settings do: another seed may give another result. To compare settings, use the spread over seeds. "
        + _seeds(best, others)
    )
    error = sqrt(best.test.mean * (1 - best.test.mean) / images)
    yield paragraph(
        f"All accuracies are for these {images:,} images. As an estimate for new digits, an accuracy of "
        f"{units.percent(best.test.mean)} has a standard error of {100 * error:.2f} points."
    )


def _seeds(best: Group, others: list[Group]) -> str:
    n = best.test.n
    chance = (
        f"{n} seeds per setting are few: even if two settings are equally good, all runs of one beat all runs of the "
        f"other with probability {units.number(2 / comb(2 * n, n))}."
    )
    if not others:
        return chance
    overlap = "overlap" if best.extremes[0] <= others[0].extremes[1] else "do not overlap"
    gap = 100 * (best.test.mean - others[0].test.mean)
    return f"{chance} The two best settings are {gap:.2f} points apart, and their runs {overlap}."


def times(study: Study) -> Iterator[str]:
    runs = study.runs
    made = sorted({(plain(run.info.device), run.info.threads) for run in runs})
    machine = ", ".join(f"{device} with {threads} thread{'s' * (threads != 1)} per run" for device, threads in made)
    each = sorted(run.state.seconds / max(1, run.state.epoch) for run in runs)
    torch = plain(runs[0].info.versions.get("torch", units.UNKNOWN), 20)
    yield "## Training time"
    yield paragraph(
        f"{units.duration(sum(run.state.seconds for run in runs))} of training in {len(runs)} runs; an epoch took "
        f"{units.duration(each[0])} to {units.duration(each[-1])}, median {units.duration(each[len(each) // 2])} "
        f"({machine}; torch {torch}). The machine also did other work, which is why settings with equally expensive "
        "steps differ; the shortest epochs are closest to its real speed."
    )
