"""Presets, files and the command line of the form."""

import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from open_new_run import opened
from tuitrain.cli.parser import parse
from tuitrain.config import toml
from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.preview.preview import Preview
from tuitrain.hosts.preview.split_sizes import SplitSizes
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.widgets.forms.draft import FormResult, command_line

MINE = """\
# what I found out
[optimizer]
lr = 0.5  # large
name = "sgd"
"""


async def test_preset_fills_the_form(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        for steps, name in enumerate(PRESETS):
            await form.press("ctrl+t", *["down"] * steps, "enter")
            assert form.config == preset(name)
            assert name in form.said("head")


async def test_a_preset_does_not_count_the_images_of_the_data_shown_before(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[data]\ndataset = "image-folder"\ndir = "missing"\n')
    async with opened(tmp_path) as form:
        await form.press("ctrl+o")
        await form.answer(str(mine))
        current, screen = form.config, form.app.screen
        assert isinstance(screen, NewRunScreen)
        await form.press("ctrl+t", *"fine-tune")
        screen.preview = Preview(Config(), SplitSizes(54, 6, 60, (1, 8, 8), 10, "built in"))
        await form.press("enter")
        assert form.config == preset("fine-tune", current)
        assert form.config != preset("fine-tune", current, 54)


async def test_a_fine_tuning_preset_asks_for_the_images_or_keeps_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.press("ctrl+t", *"linear probe", "enter")
        assert form.current.key == "data.dir"
        assert "folder of your images" in form.said("message")
        await form.type("data.dir", str(tmp_path))
        await form.type("optimizer.lr", "x")
        await form.press("ctrl+t", *"linear", "enter")
        assert form.text("data.dir") == str(tmp_path)
        assert "No preset: 1 setting is invalid." in form.said("message")


async def test_file_is_loaded_saved_with_its_comments_and_overwritten(tmp_path: Path) -> None:
    mine, copy = tmp_path / "mine.toml", tmp_path / "copy.toml"
    mine.write_text(MINE)
    async with opened(tmp_path) as form:
        await form.press("ctrl+o")
        await form.answer(str(mine))
        assert form.config == override(Config(), ["optimizer.lr=0.5", "optimizer.name=sgd"])
        await form.type("training.epochs", "3")
        await form.press("ctrl+s")
        await form.answer(str(copy))
        assert "Saved" in form.said("message")
        assert toml.read(copy)[0] == form.config
        assert "# what I found out" in copy.read_text()
        assert "lr = 0.5  # large" in copy.read_text()
        copy.write_text("yours")
        await form.press("ctrl+s")
        await form.answer(str(copy))
        assert isinstance(form.app.screen, PromptScreen)
        assert copy.read_text() == "yours"
        await form.press("enter")
        assert isinstance(form.app.screen, NewRunScreen)
        assert toml.read(copy)[0] == form.config
        await form.press("ctrl+s")
        await form.answer(str(tmp_path / "no" / "folder.toml"))
        assert "cannot be written" in form.said("error")


async def test_an_invalid_file_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    async with opened(tmp_path) as form:
        for text, said in (
            (None, "There is no file"),
            ("[x", "not valid TOML"),
            ("[optimizer]\nlr = -1", "optimizer.lr = -1"),
            ("[optimiser]", "Did you mean optimizer?"),
        ):
            if text is not None:
                path.write_text(text)
            await form.press("ctrl+o")
            await form.answer(str(path))
            assert said in form.said("error")
            await form.press("escape")
            assert form.config == Config()


async def test_text_of_a_file_is_not_markup(tmp_path: Path) -> None:
    path = tmp_path / "[b]mine.toml"
    path.write_text('[data]\ndataset = "image-folder"\ndir = "[red]x[/red]"\n')
    async with opened(tmp_path) as form:
        await form.press("ctrl+o")
        await form.answer(str(path))
        assert form.config.data.dir == "[red]x[/red]"
        assert "[b]mine.toml" in form.said("head")
        assert "[red]x[/red]" in form.said("command")


SETS: Iterable[tuple[str, ...]] = [
    *PRESETS.values(),
    ("data.dataset=image-folder", "data.dir=/a b/'c' \"d\" $HOME;[x]"),
    ("model.hidden=[]", "data.augment=flip,crop", "optimizer.clip_norm=1e-9", "training.seed=9223372036854775807"),
    ("optimizer.lr=0.1234567890123", "training.max_minutes=0.5", "training.threads=3", "data.normalize=no"),
]


@pytest.mark.parametrize("assignments", SETS)
@pytest.mark.parametrize("name", ["", "it's mine; -- $(x)"])
def test_command_line_is_the_same_run(assignments: tuple[str, ...], name: str, tmp_path: Path) -> None:
    config = override(Config(), assignments)
    words = shlex.split(command_line(FormResult(config, {}, {}), tmp_path / "my runs", name))
    assert words[0] == "tuitrain"
    options = parse(words[1:])
    assert override(Config(), options.set) == config
    assert (options.name, options.runs_dir) == (name, tmp_path / "my runs")


async def test_copying_gives_the_whole_command(tmp_path: Path) -> None:
    async with opened(tmp_path, (60, 20)) as form:
        await form.press("ctrl+t", *["down"] * 5, "enter", "ctrl+y")
        assert form.app.clipboard == command_line(FormResult(preset("cifar10 resnet18"), {}, {}), tmp_path / "runs")


async def test_a_network_and_a_data_set_of_a_file_are_typed_into_the_list(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def Net(classes, channels, image_size, width=4):\n"
        "    layers = nn.Linear(channels * image_size**2, width), nn.Linear(width, classes)\n"
        "    return nn.Sequential(nn.Flatten(), *layers)\n"
    )
    async with opened(tmp_path) as form:
        await form.focus("model.name")
        await form.press(*f"{file}:Net", "enter")
        assert form.config.model.name == f"{file}:Net"
        assert "for FILE.py:NAME" not in form.row("model.args")
        await form.type("model.args", "width = 7")
        assert form.config.model.args == "{width = 7}"
        assert f"--set model.name={file}:Net --set 'model.args={{width = 7}}'" in form.said("command").replace("\n", "")
        await form.until(lambda: form.previewed)
        assert form.form.preview is not None
        assert form.form.preview.network is not None
        assert form.form.preview.network.title == "Net"
        await form.type("model.args", "{width = 7}, {width = 8}")
        assert form.form.result.runs == 2
        await form.focus("data.dataset")
        await form.press(*"~/data.py:mine", "enter")
        assert form.config.data.dataset == "~/data.py:mine"
