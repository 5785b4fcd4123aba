import pytest
from msgspec.structs import replace

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.preview.preview import Preview
from tuitrain.hosts.preview.split_sizes import SplitSizes
from tuitrain.widgets.forms.preview import facts

SIZES = SplitSizes(train=64, validation=6, test=20, shape=(3, 32, 32), classes=3, location="found in photos")
RATIO = "largest class 4.29 times the smallest"


def line(name: str, per_class: tuple[tuple[str, int], ...], *settings: str) -> str:
    preview = Preview(override(Config(), settings), replace(SIZES, per_class=per_class))
    lines = facts(preview, 1, {}, compact=False).plain.splitlines()
    return next((text[9:] for text in lines if text.startswith(name)), "")


def balance(*settings: str) -> list[str]:
    preview = Preview(override(Config(), settings), replace(SIZES, per_class=(("ant", 7), ("bee", 30), ("cat", 20))))
    lines = [text[9:] for text in facts(preview, 1, {}, compact=True).plain.splitlines()]
    return lines[lines.index(RATIO) :]


def test_the_images_of_few_classes() -> None:
    assert line("classes", (("ant", 1200), ("bee", 7))) == "1,200 ant · 7 bee"


def test_the_smallest_and_the_largest_of_many_classes() -> None:
    sizes = tuple((f"c{number}", 10 + number) for number in range(12))
    assert line("classes", sizes) == "12 classes with 10 (c0) to 21 (c11) images"


def test_built_in_data_sets_have_no_such_lines() -> None:
    assert line("classes", ()) == line("balance", ()) == ""


@pytest.mark.parametrize(("most", "advice"), [(29, False), (30, True)])
def test_advice_begins_at_three_times_the_images(most: int, advice: bool) -> None:
    assert bool(line("balance", (("ant", 10), ("bee", most)))) is advice


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), ["try class_weights = balanced and best = macro-f1"]),
        (("training.best=balanced-accuracy",), ["try class_weights = balanced"]),
        (("training.class_weights=balanced",), ["try best = macro-f1"]),
        (("data.sampler=balanced", "training.best=macro-f1"), []),
    ],
)
def test_advice_names_what_is_not_set_yet(settings: tuple[str, ...], expected: list[str]) -> None:
    assert balance(*settings) == [RATIO, *expected]
