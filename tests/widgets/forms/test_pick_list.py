"""One list serves choices of one option and of several."""

import pytest
from textual.app import App

from tuitrain.widgets.forms.pick_list import PickList

AUTOMATIC = ("", "automatic", "the scores")
OPTIONS = [
    ("lr", "lr", "optimizer.lr: learning rate"),
    ("batch", "batch", "images per batch"),
    ("act", "act", "activation"),
]


class ListApp(App[None]):
    def __init__(self, picker: PickList) -> None:
        super().__init__()
        self._picker = picker
        self.answers: list[tuple[str, ...] | None] = []

    def on_mount(self) -> None:
        self.push_screen(self._picker, self.answers.append)


async def answers(picker: PickList, keys: list[str]) -> list[tuple[str, ...] | None]:
    app = ListApp(picker)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        return app.answers


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["enter"], [("lr",)]),
        (["down", "space"], [("batch",)]),
        ([*"images", "space", *"per", "enter"], [("batch",)]),
        (["q", "backspace", "end", "enter"], [("act",)]),
        (["q", "enter"], []),
        (["escape"], [None]),
    ],
)
async def test_one_option(keys: list[str], expected: list[tuple[str, ...] | None]) -> None:
    assert await answers(PickList(OPTIONS), keys) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["enter"], ("lr",)),
        (["down", "enter"], ("batch",)),
        (["space", "enter"], ("lr",)),
        (["down", "space", "enter"], ("lr", "batch")),
        ([*"act", "comma", "space", *"bat", "enter"], ("batch", "act")),
    ],
)
async def test_enter_replaces_the_choice_until_something_is_marked(keys: list[str], expected: tuple[str, ...]) -> None:
    assert await answers(PickList(OPTIONS, ["lr"], many=True), keys) == [expected]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["enter"], ()),
        (["space"], ()),
        (["down", "enter"], ("lr",)),
        (["down", "space", "enter"], ()),
        (["end", "space", "home", "enter"], ("lr", "act")),
        ([*"batch", "space", "enter"], ("lr", "batch")),
        ([*"batch", "enter"], ("lr", "batch")),
    ],
)
async def test_marks_are_kept_and_the_empty_option_clears_them(keys: list[str], expected: tuple[str, ...]) -> None:
    picker = PickList([AUTOMATIC, *OPTIONS], ["lr"], many=True, marked=True)
    assert await answers(picker, keys) == [expected]
