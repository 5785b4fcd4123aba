import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any, get_args

import pytest

from tuitrain.config.schedule import Extension, LRCurve, lr_factor
from tuitrain.config.schema import Schedule, ScheduleName

NAMES: tuple[ScheduleName, ...] = get_args(ScheduleName)
EPOCH, TOTAL = 20, 200


def rates(config: Schedule, total: int = TOTAL, epoch: int = EPOCH) -> list[float]:
    return [lr_factor(config, step, epoch, total) for step in range(total)]


def torch_rates(make: Callable[[Any], Any], total: int = TOTAL) -> list[float]:
    """Return the learning rates of the torch scheduler that `make` creates, with a peak of 1."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    found = []
    with warnings.catch_warnings():
        # torch warns because the optimizer has no gradients.
        warnings.simplefilter("ignore")
        for _ in range(total):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(found) < total:
                scheduler.step()
    return found


def test_step_equals_torch() -> None:
    from torch.optim.lr_scheduler import StepLR

    expected = torch_rates(lambda optimizer: StepLR(optimizer, step_size=3 * EPOCH, gamma=0.2))
    assert rates(Schedule(name="step", every=3, gamma=0.2)) == pytest.approx(expected)


def test_cosine_equals_torch() -> None:
    from torch.optim.lr_scheduler import CosineAnnealingLR

    expected = torch_rates(lambda optimizer: CosineAnnealingLR(optimizer, T_max=TOTAL - 1, eta_min=0.05))
    assert rates(Schedule(name="cosine", final=0.05)) == pytest.approx(expected)


def test_exponential_equals_torch() -> None:
    from torch.optim.lr_scheduler import ExponentialLR

    expected = torch_rates(lambda optimizer: ExponentialLR(optimizer, gamma=0.01 ** (1 / (TOTAL - 1))))
    assert rates(Schedule(name="exponential", final=0.01)) == pytest.approx(expected)


@pytest.mark.parametrize(("warmup", "part"), [(0.0, 0.3), (2.0, 0.2)])
def test_one_cycle_equals_torch(warmup: float, part: float) -> None:
    from torch.optim.lr_scheduler import OneCycleLR

    def make(optimizer: Any) -> Any:
        # torch's final factor is relative to the first learning rate, tuitrain's to the peak.
        return OneCycleLR(
            optimizer, 1.0, TOTAL, pct_start=part, final_div_factor=1 / (25 * 0.002), cycle_momentum=False
        )

    assert rates(Schedule(name="one-cycle", warmup=warmup, final=0.002)) == pytest.approx(torch_rates(make))


def test_warmup_equals_torch() -> None:
    from torch.optim.lr_scheduler import LinearLR

    expected = torch_rates(lambda optimizer: LinearLR(optimizer, start_factor=1 / 30, total_iters=29))
    assert rates(Schedule(warmup=1.5)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["cosine", "exponential"])
def test_after_the_warmup_the_schedule_is_that_of_a_shorter_run(name: ScheduleName) -> None:
    warm = rates(Schedule(name=name, warmup=2))
    assert warm[: 2 * EPOCH] == pytest.approx([(step + 1) / 40 for step in range(40)])
    assert warm[2 * EPOCH :] == pytest.approx(rates(Schedule(name=name), TOTAL - 2 * EPOCH))


def test_step_counts_epochs_from_the_start_of_the_run() -> None:
    found = rates(Schedule(name="step", every=3, gamma=0.5, warmup=1))
    assert found[3 * EPOCH - 1 : 3 * EPOCH + 1] == [1.0, 0.5]


@pytest.mark.parametrize("name", ["exponential", "cosine", "one-cycle"])
def test_the_last_step_has_the_final_factor(name: ScheduleName) -> None:
    assert rates(Schedule(name=name, final=0.07))[-1] == pytest.approx(0.07)


def test_plateau_applies_one_factor_per_drop() -> None:
    config = Schedule(name="plateau", gamma=0.5)
    assert [lr_factor(config, 100, EPOCH, TOTAL, drops) for drops in range(3)] == [1.0, 0.5, 0.25]


def test_constant_is_always_one() -> None:
    assert set(rates(Schedule())) == {1.0}


@pytest.mark.parametrize(
    ("config", "epoch", "factors"),
    [
        (Schedule(warmup=2), 2, [0.25, 0.5, 0.75, 1, 1, 1]),
        # Rounded to a whole number of steps.
        (Schedule(warmup=0.25), 3, [1, 1, 1]),
        (Schedule(warmup=0.5), 3, [0.5, 1, 1]),
        (Schedule(name="step", every=1, gamma=0.5), 2, [1, 1, 0.5, 0.5, 0.25]),
        (Schedule(name="step", every=1e-9, gamma=0.5), 2, [1, 0.5, 0.25]),
        (Schedule(name="exponential", final=0.01), 2, [1, 0.1, 0.01]),
        (Schedule(name="exponential", final=0), 2, [1, 1e-3, 1e-6]),
        (Schedule(name="cosine", final=0.2), 2, [1, 0.6, 0.2]),
        (Schedule(name="cosine", final=0, warmup=1), 2, [0.5, 1, 1, 0.75, 0.25, 0]),
        (
            Schedule(name="one-cycle", final=0.1),
            5,
            [0.04, 0.52, 1, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1],
        ),
        (Schedule(name="one-cycle", final=0.1, warmup=1), 3, [0.04, 0.52, 1, 0.55, 0.1]),
        # The peak lies between two steps.
        (Schedule(name="one-cycle", final=0.1), 5, [0.04, 0.9554, 0.6501, 0.2694, 0.1]),
        # The warm-up is longer than the run.
        (Schedule(name="one-cycle", final=0.1, warmup=9), 3, [0.04, 0.52, 1]),
        (Schedule(name="one-cycle", final=0.1), 1, [1, 0.1]),
        (Schedule(name="one-cycle", final=0.1), 1, [1]),
        (Schedule(name="cosine", final=0.1), 1, [1]),
        (Schedule(name="exponential", final=0.1), 1, [1]),
    ],
)
def test_every_factor_of_a_short_run(config: Schedule, epoch: int, factors: list[float]) -> None:
    assert rates(config, len(factors), epoch) == pytest.approx(factors, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_settings_stay_between_zero_and_the_peak(name: ScheduleName) -> None:
    lengths = [(1, 1), (1, 2), (3, 3), (1, 7), (10**6, 10**9)]
    extremes = itertools.product([0.0, 1e-9, 0.4, 5.0, 1e308], [1e-300, 0.5, 1e308], [0.0, 0.3, 1.0], [1e-300, 1.0])
    for (epoch, total), (warmup, every, final, gamma) in itertools.product(lengths, list(extremes)):
        config = Schedule(name=name, warmup=warmup, every=every, final=final, gamma=gamma)
        for step in (0, 1, total - 1, total, total + 5, 10**12):
            found = lr_factor(config, step, epoch, total, drops=step)
            assert math.isfinite(found)
            assert 0.0 <= found <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_steps_after_the_last_keep_its_factor(name: ScheduleName) -> None:
    config = Schedule(name=name, every=1, warmup=0.5)
    assert lr_factor(config, TOTAL + 50, EPOCH, TOTAL) == lr_factor(config, TOTAL - 1, EPOCH, TOTAL)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_step_has_a_positive_factor(name: ScheduleName) -> None:
    assert all(lr_factor(Schedule(name=name, warmup=warmup), 0, EPOCH, TOTAL) > 0 for warmup in (0, 0.01, 3))


COSINE = LRCurve(Schedule(name="cosine"), lr=0.001, steps_per_epoch=10, epochs=10)


@pytest.mark.parametrize(
    ("choice", "change"),
    [
        ("stretch", "the learning rate goes from 1e-05 to 0.00019, because cosine now spans 14 epochs"),
        ("hold", "cosine ends with epoch 10, and the learning rate stays at 1e-05 after it"),
        ("restart", "the learning rate goes from 1e-05 to 0.001, because a new cycle of cosine spans 4 epochs"),
    ],
)
def test_what_the_rate_of_a_longer_run_does(choice: Extension, change: str) -> None:
    assert COSINE.describe_change(COSINE.extended(14, 100, choice), 100) == change


def test_a_held_schedule_can_be_stretched_again() -> None:
    held = COSINE.extended(14, 100, "hold")
    assert [held.rate(step) for step in (99, 100, 139)] == [pytest.approx(1e-5)] * 3
    assert held.extended(20, 140, "hold").end == 10
    assert held.extended(20, 140, "stretch") == COSINE.extended(20, 140, "stretch")


@pytest.mark.parametrize("name", ["constant", "step", "plateau"])
def test_schedules_that_do_not_depend_on_the_length_offer_no_choice(name: str) -> None:
    curve = LRCurve(Schedule(name=name, every=3, warmup=2), 0.1, steps_per_epoch=10, epochs=10)  # type: ignore[arg-type]
    longer = curve.extended(14, 100, "stretch")
    assert curve.choices(14, 100) == []
    assert curve.describe_change(longer, 100) == ""
    assert [curve.rate(step) for step in range(100)] == [longer.rate(step) for step in range(100)]


def test_the_choices_show_their_rates() -> None:
    assert COSINE.choices(14, 100) == [
        ("stretch", "span all epochs", "0.00019 now, 1e-05 at the end"),
        ("hold", "hold the last rate", "1e-05 now, 1e-05 at the end"),
        ("restart", "begin a new cycle", "0.001 now, 1e-05 at the end"),
    ]
    assert COSINE.choices(14, 0) == []
