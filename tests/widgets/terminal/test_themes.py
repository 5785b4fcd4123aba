import math
import os
from itertools import combinations
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.design import ColorSystem
from textual.widgets import Button, Footer, Input, Markdown, Select, Static

from tuitrain.errors import ConfigError
from tuitrain.widgets.terminal.themes import LoadedTheme, load_theme, load_themes, shipped_themes_folder

SHIPPED = load_themes([shipped_themes_folder()])
GOOD = """
name = "mine"
primary = "#6cb2eb"
foreground = "#d3d9e2"
background = "#14171c"
[series]
colors = ["#000001", "#000002", "#000003", "#000004", "#000005", "#000006", "#000007", "#000008", "#000009"]
"""


def linear(color: Color) -> tuple[float, float, float]:
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color.normalized)
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.1, section 1.4.3."""
    lights = [
        sum(part * weight for part, weight in zip(linear(Color.parse(color)), (0.2126, 0.7152, 0.0722), strict=True))
        for color in (one, other)
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


Matrix = tuple[tuple[float, float, float], ...]
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION: dict[str, Matrix] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
# Ottosson 2020, linear RGB to Oklab.
TO_LMS: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB: Matrix = (
    (0.2104542553, 0.793617785, -0.0040720468),
    (1.9779984951, -2.428592205, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.808675766),
)


def times(matrix: Matrix, vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def oklab(color: str, vision: Matrix) -> tuple[float, ...]:
    seen = tuple(min(1.0, max(0.0, part)) for part in times(vision, linear(Color.parse(color))))
    return times(TO_LAB, tuple(math.cbrt(part) for part in times(TO_LMS, seen)))


def test_the_default_themes_are_shipped() -> None:
    assert {"tuitrain-dark", "tuitrain-light"} <= SHIPPED.keys()
    assert SHIPPED["tuitrain-dark"].theme.dark
    assert not SHIPPED["tuitrain-light"].theme.dark


@pytest.mark.parametrize("loaded", SHIPPED.values(), ids=SHIPPED.keys())
def test_text_is_readable(loaded: LoadedTheme) -> None:
    colors = loaded.theme.to_color_system().generate()
    for ground in ("background", "surface", "panel"):
        assert contrast(colors["foreground"], colors[ground]) >= 7
    for ink in ("primary", "accent", "secondary", "success", "warning", "error"):
        assert contrast(colors[ink], colors["background"]) >= 4.5
    for ink in ("footer-key-foreground", "footer-description-foreground"):
        assert contrast(colors[ink], colors["footer-background"]) >= 4.5
    assert contrast(colors["block-cursor-foreground"], colors["block-cursor-background"]) >= 4.5


@pytest.mark.parametrize("loaded", SHIPPED.values(), ids=SHIPPED.keys())
def test_series_stand_out_from_the_background_and_from_one_another(loaded: LoadedTheme) -> None:
    background = loaded.theme.background
    assert background
    assert len(loaded.series) >= 8
    for color in loaded.series:
        assert contrast(color, background) >= 3
    for vision, matrix in VISION.items():
        for one, other in combinations(loaded.series, 2):
            assert math.dist(oklab(one, matrix), oklab(other, matrix)) >= 0.07, (vision, one, other)


class ThemedApp(App[None]):
    def __init__(self, loaded: LoadedTheme) -> None:
        super().__init__()
        self.register_theme(loaded.theme)
        self.theme = loaded.theme.name

    def compose(self) -> ComposeResult:
        yield Static("text", id="line")
        yield Input("text")
        yield Button("button", variant="primary")
        yield Select([("one", 1)])
        yield Markdown("# one\n[two](x)")
        yield Footer()


@pytest.mark.parametrize("loaded", SHIPPED.values(), ids=SHIPPED.keys())
async def test_a_shipped_theme_can_be_worn_and_gives_the_series(loaded: LoadedTheme) -> None:
    app = ThemedApp(loaded)
    async with app.run_test():
        assert app.screen.styles.background == Color.parse(loaded.theme.background or "")
        assert [app.theme_variables[f"series-{n}"] for n in range(1, 9)] == list(loaded.series[:8])


@pytest.mark.parametrize("value", ["#102030", "#102030 40%", "transparent", "auto 60%", "none", "bold not underline"])
async def test_no_accepted_variable_breaks_the_app(value: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    accepted = []
    for key in ColorSystem("#000000").generate():
        path.write_text(f'{GOOD}[variables]\n{key} = "{value}"\n')
        try:
            load_theme(path)
        except ConfigError:
            continue
        accepted.append(f'{key} = "{value}"')
    assert accepted
    path.write_text("\n".join([GOOD, "[variables]", *accepted]))
    app = ThemedApp(load_theme(path))
    async with app.run_test() as pilot:
        await pilot.press("tab", "tab", "tab")
        assert app.theme == "mine"


def test_a_theme_of_the_user_replaces_the_shipped_one_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.replace("mine", "fjord"))
    themes = load_themes([shipped_themes_folder(), tmp_path, tmp_path / "missing"])
    assert themes["fjord"].theme.background == "#14171c"
    assert len(themes["fjord"].series) == 9
    assert themes.keys() == SHIPPED.keys()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name = ", "not valid TOML"),
        ("\xff", "not UTF-8 text"),
        (GOOD.replace("primary", "primry"), "primry"),
        (GOOD.replace('primary = "#6cb2eb"', ""), "'primary' is missing"),
        (GOOD.replace("mine", "../\\u001b[31m"), "�"),
        (GOOD.replace("#6cb2eb", "blue; }"), "blue; }"),
        (GOOD.replace('"#6cb2eb"', "7"), "primary = '7'"),
        ('dark = "yes"\n' + GOOD, "true or false"),
        (GOOD.replace('"#000005", ', "").replace('"#000009"', ""), "a list of 8"),
        (GOOD.replace('"#000005"', "5"), "series.colors"),
        ("variables = 3\n" + GOOD, "[variables]"),
        (GOOD + '[variables]\nshade = "#000000"', "shade"),
        (GOOD + '[variables]\nborder = "$primary; }"', "$primary"),
        (GOOD + '[variables]\nlink-style = "blink"', "blink"),
        (GOOD + '[variables]\nprimary-lighten-1 = "#000000 10%"', "primary-lighten-1"),
    ],
)
def test_a_damaged_theme_is_left_out_with_a_sentence(text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(text.encode("latin-1" if "\xff" in text else "utf-8"))
    (tmp_path / "good.toml").write_text(GOOD)
    notes: list[ConfigError] = []
    assert list(load_themes([tmp_path], notes.append)) == ["mine"]
    assert len(notes) == 1
    assert part in str(notes[0])
    assert "bad.toml" in str(notes[0])
    with pytest.raises(ConfigError):
        load_themes([tmp_path])


def test_a_named_pipe_among_the_themes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigError, match="not a regular file"):
        load_themes([tmp_path])
