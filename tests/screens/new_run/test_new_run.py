from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image
from textual._compositor import Compositor
from textual.css.stylesheet import Stylesheet

from open_new_run import PREVIEWS, opened
from screen_text import strips, text
from tuitrain.config.schema import Config
from tuitrain.config.settings import sections, settings
from tuitrain.config.values import override
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.widgets.forms.draft import Draft, parse_form
from tuitrain.widgets.forms.form import NAME, RUNS_IN, Form, SectionTitle
from tuitrain.widgets.forms.pick_list import PickList
from tuitrain.widgets.forms.preview import LayerList
from tuitrain.widgets.terminal.footer import FittingFooter


async def test_every_setting_has_a_field_and_defaults_have_no_dot(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        assert set(form.fields) == {NAME, RUNS_IN, *settings()}
        assert form.config == Config()
        assert not [key for key in settings() if "●" in form.row(key)]
        assert "$ tuitrain train" in form.said("command")


async def test_an_invalid_learning_rate_is_marked_and_keeps_the_focus(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("optimizer.lr", "0.1o")
        assert "● learning rate" in form.row("optimizer.lr")
        assert "✗ a number > 0" in form.row("optimizer.lr")
        assert "must be a number > 0 · default 0.001" in form.said("help")
        assert "a, b: one run each" in form.said("help")
        await form.focus("data.dataset")
        await form.press("ctrl+r")
        assert "Not started" in form.said("message")
        assert form.app.focused is form.fields["optimizer.lr"].target
        assert not form.app.host.busy
        await form.press("enter")
        assert form.current is form.fields["optimizer.lr"]
        await form.press("end", "backspace")
        assert "✗" not in form.row("optimizer.lr")
        assert form.config.optimizer.lr == 0.1
        await form.press("enter")
        assert form.current is form.fields["optimizer.weight_decay"]


async def test_conflicting_settings_are_marked(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("optimizer.name")
        await form.press("s", "g", "d", "enter")
        await form.focus("optimizer.nesterov")
        await form.press("space")
        assert "✗ needs a momentum" in form.row("optimizer.nesterov")
        await form.type("optimizer.momentum", "0.9")
        assert form.config.optimizer.nesterov


async def test_choices_are_found_by_typing_and_by_arrows(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("optimizer.name")
        await form.press("space")
        assert isinstance(form.app.screen, PickList)
        keys = strips(form.app)[-1].text
        assert "cancel" in keys
        assert "start" not in keys
        await form.press("down", "enter")
        assert form.text("optimizer.name") == "adamw"
        await form.press("s", "g", "enter")
        assert form.text("optimizer.name") == "sgd"
        assert form.fields["optimizer.momentum"].display
        assert not form.fields["optimizer.beta1"].display
        await form.press("right")
        assert form.text("optimizer.name") == "adam"
        assert not form.fields["optimizer.momentum"].display
        assert form.fields["optimizer.beta1"].display
        await form.press("a", "d", "a", "m", "w", "enter")
        assert form.text("optimizer.name") == "adamw"
        await form.press("left")
        await form.press("left", "left")
        assert form.text("optimizer.name") == "muon"
        await form.press("ctrl+g")
        assert form.text("optimizer.name") == "adam"
        await form.press("space", "escape")
        assert form.text("optimizer.name") == "adam"
        await form.focus("data.dataset")
        await form.press(*"image-", "enter")
        assert form.text("data.dataset") == "image-folder"


async def test_several_choices_and_switches(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("data.augment")
        await form.press("space", "down", "space", "down", "space", "enter")
        assert form.config.data.augment == ("shift", "flip")
        await form.press("space", "down", "space", "up", "space", "enter")
        assert not form.config.data.augment
        await form.focus("data.normalize")
        await form.press("space")
        assert form.config.data.normalize is False
        await form.press("y", "q")
        assert form.config.data.normalize is True
        assert isinstance(form.app.screen, NewRunScreen)


async def test_typing_letters_reaches_nothing_but_the_field(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("name")
        await form.press(*"jk q?/n")
        assert form.text("name") == "jk q?/n"
        assert "--name 'jk q?/n'" in form.said("command")


def test_errors_are_found_by_key() -> None:
    texts = {"optimizer.lr": "x", "data.batch_size": "0", "training.epochs": "2"}
    plan = parse_form(texts)
    assert plan.config is None
    assert plan.errors == {"optimizer.lr": "a number > 0", "data.batch_size": "a whole number >= 1, or auto"}
    plan = parse_form({"data.dataset": "image-folder", "data.dir": "none"})
    assert plan.errors == {"data.dir": "image-folder needs the folder of your images."}


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_every_field_can_be_walked_to_and_seen(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size) as form:
        seen = set()
        for _ in range(len(form.fields) + 1):
            field, view = form.current, form.form.query_one(Form).region
            assert view.contains_region(field.region)
            seen.add(field.key)
            await form.press("down")
        assert seen == {*(key for key, field in form.fields.items() if field.display), "start"}
        assert form.app.screen.query_one(FittingFooter).region.bottom == size[1]


async def test_settings_are_found_by_label_key_or_help(tmp_path: Path) -> None:
    found = {
        "epochs": "training.epochs",
        "folder": "data.dir",
        "dir": "data.dir",
        "batch size": "data.batch_size",
        "batch_size": "data.batch_size",
        "LEARNING": "optimizer.lr",
        "optimizer.lr": "optimizer.lr",
        "rate learning": "optimizer.lr",
        "warmup": "schedule.warmup",
        "drop": "model.dropout",
        "clip": "optimizer.clip_norm",
        "architecture": "model.name",
    }
    async with opened(tmp_path, (80, 24)) as at:
        for typed, key in found.items():
            await at.focus("name")
            await at.press("ctrl+f", *typed)
            await at.press("enter")
            assert at.current.key == key, typed


async def test_settings_that_do_not_apply_are_hidden_until_they_are_looked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        freeze, titles = form.fields["finetune.freeze"], form.form.query(SectionTitle)
        assert not freeze.display
        assert any("hidden" in str(title.render()) for title in titles)
        await form.press("ctrl+f", *"freeze", "enter")
        assert form.current is freeze
        await form.press("right")
        # What was changed stays in sight.
        await form.focus("name")
        assert freeze.display
        assert "for pretrained weights" in form.row("finetune.freeze")
        await form.type("model.weights", "pretrained")
        assert form.fields["finetune.freeze_norms"].display
        assert not form.fields["finetune.freeze_epochs"].display


async def test_sections_are_jumped_to(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        shown = {key: setting for key, setting in settings().items() if form.fields[key].display}
        firsts = {setting.section: key for key, setting in reversed(shown.items())}
        places = []
        for _ in range(len(firsts) + 1):
            await form.press("pagedown")
            places.append(form.current.key)
        assert places == [*(firsts[section] for section in list(sections())[1:]), "name", "data.dataset"]
        await form.press("pageup", "pageup")
        assert form.current is form.fields[places[-3]]


async def test_many_layers_are_scrolled(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("model.hidden", ",".join(["8"] * 40))
        layers = form.form.query_one(LayerList)
        # Each later preview scrolls the list to its top again.
        await form.until(lambda: form.previewed and layers.max_scroll_y > 0)
        await form.focus("name")
        await form.press("shift+tab")
        assert layers.has_focus
        assert "layers" in form.said("help")
        await form.press("down", "down")
        assert layers.scroll_y == 2
        await form.press("tab")
        assert form.current.key == "name"


async def test_a_preset_updates_the_preview(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.until(lambda: "mlp 64-128-256-10" in form.said("facts"))
        assert "43,914 parameters" in form.said("facts")
        assert "memory " in form.said("facts")
        assert "1,293 train · 144 validation · 360 test" in form.said("facts")
        assert "21 per epoch · 210 in total" in form.said("facts")
        assert "33,024" in form.said("layers")
        await form.focus("model.activation")
        await form.press(*"tanh", "enter")
        await form.focus("model.name")
        await form.press(*"vit", "enter")
        await form.until(lambda: "✗" in form.row("model.activation"))
        assert "no ReLU" in form.said("facts")


@pytest.mark.parametrize("size", [(120, 40), (100, 24), (80, 24)])
async def test_the_preview_shows_the_classes_and_what_to_do_about_their_sizes(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for name, count in (("ant", 24), ("bee", 6)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8), (number, count, 0)).save(tmp_path / f"photos/{name}/{number}.png")
    file = tmp_path / "photos.toml"
    file.write_text(f'data = {{ dataset = "image-folder", dir = "{tmp_path}/photos" }}\nmodel.name = "cnn"')
    async with opened(tmp_path, size) as form:
        await form.press("ctrl+o")
        await form.answer(str(file))
        await form.until(lambda: form.previewed)
        shown = text(form.app)
        assert "ant · " in shown
        assert "largest class " in shown
        assert "try class_weights = balanced" in shown


@pytest.mark.parametrize(
    ("size", "classes"), [((120, 40), {"wide"}), ((80, 24), set()), ((120, 20), {"wide", "short"})]
)
async def test_the_first_frame_has_its_final_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], classes: set[str]
) -> None:
    at_first = []
    on_mount = NewRunScreen.on_mount

    def watch(screen: NewRunScreen) -> None:
        at_first.append(screen.classes & {"wide", "short"})
        on_mount(screen)

    monkeypatch.setattr(NewRunScreen, "on_mount", watch)
    async with opened(tmp_path, size=size):
        assert at_first == [classes]


async def test_the_preview_of_other_settings_is_empty_until_it_arrives(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.until(lambda: "mlp 64-128-256-10" in form.said("facts"))
        with patch.object(PREVIEWS, "request"):  # No answer arrives.
            form.form.fill(Draft.of(override(Config(), ["training.epochs=20", "schedule.name=cosine"])))
            await form.until(lambda: "420 in total" in form.said("facts"))
            assert "43,914 parameters" in form.said("facts")
            form.form.fill(Draft.of(override(Config(), ["model.hidden=[9]"])))
            await form.until(lambda: "43,914 parameters" not in form.said("facts"))
            assert "mlp" not in form.said("facts")
            assert "33,024" not in form.said("layers")
            form.form.fill(Draft.of(override(Config(), ["data.batch_size=50"])))
            await form.until(lambda: "in total" not in form.said("facts"))
        await form.until(lambda: "26 per epoch" in form.said("facts"))


async def test_fields_do_not_compute_their_styles_for_each_mark(tmp_path: Path) -> None:
    with patch.object(Stylesheet, "apply", autospec=True, side_effect=Stylesheet.apply) as styled:
        async with opened(tmp_path) as form:
            fields = set(form.fields.values())
            assert len([call for call in styled.call_args_list if call.args[1] in fields]) < 2.5 * len(fields)


async def test_keys_redraw_only_what_they_change(tmp_path: Path) -> None:
    layout, redraw = Compositor.reflow, Compositor.render_full_update
    async with opened(tmp_path) as form:
        await form.until(lambda: form.previewed)
        with patch.object(PREVIEWS, "request"):
            await form.focus("optimizer.weight_decay")
            await form.press("0", ".", "0", "1")
            # The next tick removes the memory, which depends on the setting, from the preview.
            await form.until(lambda: form.form.preview is not None and not form.form.preview.final)
            with (
                patch.object(Compositor, "reflow", autospec=True, side_effect=layout) as layouts,
                patch.object(Compositor, "render_full_update", autospec=True, side_effect=redraw) as redraws,
            ):
                await form.press(*"23")
                assert form.text("optimizer.weight_decay") == "0.0123"
                await form.press("up", "down")
                assert "▌" in form.row("optimizer.weight_decay")
                layouts.assert_not_called()
                redraws.assert_not_called()
                await form.type("data.transform", "a.py:f")
                form.form.tick()
                await form.pilot.pause()
                layouts.reset_mock()
                await form.press("g")
                form.form.tick()
                await form.pilot.pause()
                assert "a.py:fg" in form.said("facts")
        layouts.assert_not_called()
