import pytest
from rich.cells import cell_len

from tuitrain.widgets.shorten import shorten, shorten_middle, shorten_start


@pytest.mark.parametrize(
    ("text", "width", "end", "start", "middle"),
    [
        ("digits-mlp-adam-3", 17, "digits-mlp-adam-3", "digits-mlp-adam-3", "digits-mlp-adam-3"),
        ("digits-mlp-adam-3", 10, "digits-ml…", "…lp-adam-3", "digit…am-3"),
        ("abc", 1, "…", "…", "…"),
    ],
)
def test_one_part_gives_way(text: str, width: int, end: str, start: str, middle: str) -> None:
    assert (shorten(text, width), shorten_start(text, width), shorten_middle(text, width)) == (end, start, middle)


@pytest.mark.parametrize("width", range(1, 12))
def test_wide_characters_fit(width: int) -> None:
    assert all(cell_len(cut("漢字かな交じり文", width)) <= width for cut in (shorten, shorten_start, shorten_middle))
