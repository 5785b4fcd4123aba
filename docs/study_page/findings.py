"""The effects of the settings, vanishing gradients, and the significance of differences."""

from collections.abc import Iterator
from itertools import pairwise
from math import comb, sqrt

from study_page.runs import Group, Setting, Study
from study_page.text import TITLES, bullet, cells, format_mean_sd, paragraph, points, span, table
from tuitrain.analysis import units
from tuitrain.analysis.mcnemar import LEVEL, mcnemar, p_text
from tuitrain.config.formatting import format_value
from tuitrain.text import plain


def effects(study: Study) -> Iterator[str]:
    """Yield the section that compares each value of a setting with the next one, all else equal."""
    copies = {one for one, _ in study.same_optimizers}
    rows = []
    for key, title in TITLES.items():
        for before, after in pairwise(study.levels(key)):
            for name in ("",) if key == "optimizer" else study.levels("optimizer"):
                gains = study.gains(key, before, after, str(name))
                if gains and not copies & {name, after}:
                    change = f"{title} {format_value(before)} → {format_value(after)}"
                    rows.append([change, str(name) or "-", str(len(gains)), points(min(gains)), points(max(gains))])
    if rows:
        yield "## What each setting does"
        yield paragraph("Points of mean test accuracy won or lost where one setting alone changes, least and most:")
        yield table(["change", "with", "pairs", "least", "most"], rows, right=3)
        yield "\n".join(map(bullet, claims(study)))


def claims(study: Study) -> Iterator[str]:
    """Yield the statements that the numbers support."""
    gains = study.gains("optimizer", "sgd", "adam")
    if gains and min(gains) > 0:
        yield (
            f"**Optimizer.** In the same number of steps adam comes {span(gains)} points further than sgd. It divides "
            "each weight's step by the usual size of its gradient (Kingma and Ba 2015): a small gradient does not make "
            "a small step."
        )
    sgd, adam = (study.gains("activation", "sigmoid", "relu", name) for name in ("sgd", "adam"))
    if sgd and adam and min(sgd) > max(map(abs, adam)):
        yield (
            f"**Activation.** relu in place of sigmoid is worth {span(sgd)} points to sgd, and {span(adam)} to adam, "
            "which makes up for gradients that are only small."
        )
    sgd, adam = (study.gains("lr", 0.001, 0.01, name) for name in ("sgd", "adam"))
    if sgd and adam and min(sgd) > 0 > max(adam):
        yield (
            f"**Learning rate.** 0.01 in place of 0.001 is worth {span(sgd)} points to sgd, and {span(adam)} to adam. "
            "The same number is another step in each: compare optimizers each at a learning rate that suits it."
        )
    short, long = (study.groups.get(Setting("sgd", *rest)) for rest in (("relu", 0.01, 10), ("sigmoid", 0.01, 100)))
    gains = study.gains("epochs", 10, 100, "sgd")
    if short and long and gains and min(gains) > 0:
        yield (
            f"**Epochs.** Ten times as many are worth {span(gains)} points to sgd. With sigmoid 100 of them come to "
            f"{format_mean_sd(long.test)}, with relu 10 come to {format_mean_sd(short.test)}."
        )
    for group in study.originals:
        if group.setting.epochs > 1 and max(group.answers) == 1:
            yield (
                f"**Not learned is not broken.** With {group.setting}, each model takes all test images for one class "
                f"({units.percent(group.test.mean)}): it has not left the plateau, on which others were, too, at first."
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
    yield "## The gradient that vanishes"
    yield table([*TITLES.values(), *layers, "first / last layer", "in the last epoch"], rows, right=len(layers) + 4)
    yield paragraph(
        "The norm of each layer's gradient: the median over the logged steps of the first epoch "
        f"({groups[0].rows(1) // groups[0].test.n} a run) and the seeds. Then the first layer's as a part of the last "
        "layer's, in the first epoch and in the last one."
    )
    by_activation = {group.setting.activation: group for group in study.activations}
    sigmoid, relu = by_activation.get("sigmoid"), by_activation.get("relu")
    if sigmoid and relu and _ratio(sigmoid) < _ratio(relu):
        yield paragraph(_vanishing(study, sigmoid, relu))


def _vanishing(study: Study, sigmoid: Group, relu: Group) -> str:
    small, large = _ratio(sigmoid), _ratio(relu)
    text = (
        f"With sigmoid the first layer's gradient is {units.number(small)} of the last layer's, with relu "
        f"{units.number(large)}, {units.number(large / small)} times as much. On its way back the gradient is "
        "multiplied by the derivative of each activation that it passes, and sigmoid's is at most 1/4; relu's is 1 "
        "wherever the unit is on. Two hidden layers are enough to see it, and each further one would multiply again."
    )
    adam = study.groups.get(sigmoid.setting._replace(optimizer="adam"))
    if sigmoid.setting.optimizer != "sgd" or not adam or not adam.first_epoch or not sigmoid.first_epoch:
        return text
    return (
        f"{text} A step of sgd is as small as the gradient, a step of adam is not: in the first epoch with sigmoid sgd "
        f"gets {units.percent(sigmoid.first_epoch.mean)} of the training images right, and adam "
        f"{units.percent(adam.first_epoch.mean)}."
    )


def _ratio(group: Group) -> float:
    first, *_, last = group.norms(1)
    return first / last


def significance(study: Study) -> Iterator[str]:
    best, *others = sorted(study.originals, key=lambda group: -group.test.mean)
    rivals = [(best, place) for place in range(1, best.test.n)] + [(group, 0) for group in others[:5]]
    if not rivals:
        return
    rows = []
    for group, place in rivals:
        test = mcnemar(best.evaluations[0], group.evaluations[place])
        rows.append([str(group.setting), str(group.runs[place].config.training.seed), units.count(test.only_first),
                     units.count(test.only_second), p_text(test.p), format_mean_sd(group.test)])  # fmt: skip
    images = sum(map(sum, best.evaluations[0].confusion))
    yield "## What the differences mean"
    yield paragraph(
        f"One run of the setting with the best mean ({best.setting}, seed {best.runs[0].config.training.seed}) against "
        f"single runs: how many of the {images:,} test images only one of the two has right, and McNemar's exact test "
        "of these."
    )
    yield table(["against", "seed", "only the best", "only the other", "McNemar", "its mean ± sd"], rows, right=5)
    yield paragraph(
        f"The test is about two models. p < {LEVEL} says that these weights differ on these images, not that the "
        "settings do: with the next seed it may be otherwise. About settings only the spread over seeds speaks, and "
        + _seeds(best, others)
    )
    error = sqrt(best.test.mean * (1 - best.test.mean) / images)
    yield paragraph(
        f"And all of this is about these {images:,} images: as an estimate for other digits, an accuracy of "
        f"{units.percent(best.test.mean)} has a standard error of {100 * error:.2f} points."
    )


def _seeds(best: Group, others: list[Group]) -> str:
    n = best.test.n
    chance = (
        f"{n} a setting are few: that all runs of one setting come before all of another has a chance of "
        f"{units.number(2 / comb(2 * n, n))} where the two are alike."
    )
    if not others:
        return chance
    overlap = "overlap" if best.extremes[0] <= others[0].extremes[1] else "do not overlap"
    gap = 100 * (best.test.mean - others[0].test.mean)
    return f"{chance} The two best settings are {gap:.2f} points apart, and their runs {overlap}."


def times(study: Study) -> Iterator[str]:
    runs = study.runs
    made = sorted({(plain(run.info.device), run.info.threads) for run in runs})
    machine = ", ".join(f"{device} with {threads} thread{'s' * (threads != 1)} a run" for device, threads in made)
    each = sorted(run.state.seconds / max(1, run.state.epoch) for run in runs)
    torch = plain(runs[0].info.versions.get("torch", units.UNKNOWN), 20)
    yield "## How long it took"
    yield paragraph(
        f"{units.duration(sum(run.state.seconds for run in runs))} of training in {len(runs)} runs; an epoch took "
        f"{units.duration(each[0])} to {units.duration(each[-1])}, median {units.duration(each[len(each) // 2])} "
        f"({machine}; torch {torch}). The machine did other work beside: that is the difference between settings whose "
        "steps cost the same, and the shortest epochs come nearest to what it can do."
    )
