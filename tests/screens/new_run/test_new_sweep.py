import shlex
from pathlib import Path

from msgspec import structs
from textual import events

from open_new_run import opened
from screen_text import text
from tuitrain.cli.parser import parse
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.overrides import override_sweep
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import read as read_sweep
from tuitrain.config.values import override
from tuitrain.runs.folder import folders
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.widgets.forms.draft import Draft, command_line, parse_form
from tuitrain.widgets.forms.form import RUNS_IN
from tuitrain.widgets.forms.pick_list import PickList


async def test_several_values_make_a_sweep_of_all_combinations(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("optimizer.name")
        await form.press(*"sgd,adam", "enter")
        assert form.text("optimizer.name") == "sgd, adam"
        assert "← 2 values" in form.row("optimizer.name")
        await form.type("optimizer.lr", "0.1, 0.01, 0.1")
        assert "← 2 values" in form.row("optimizer.lr")
        await form.type("model.hidden", "[16], [16, 8], []")
        assert "← 3 values" in form.row("model.hidden")
        assert "sgd, adam" in form.row("optimizer.name")
        assert "ignored" not in form.said("help")
        assert "This makes 12 runs. $ tuitrain sweep" in form.said("command")
        assert "ignored: sweeps" in form.row(RUNS_IN)
        assert form.form.result.first == {"optimizer.name": "sgd", "optimizer.lr": 0.1, "model.hidden": (16,)}
        assert form.config == override(Config(), ["optimizer.name=sgd", "optimizer.lr=0.1", "model.hidden=16"])
        await form.press("ctrl+y")
        words = shlex.split(form.app.clipboard)
        assert parse(words[1:]).command == "sweep"
        made = override_sweep(Sweep(), parse(words[1:]).set)
        assert made.trial_count == 12
        assert made.values == form.form.result.sweep().values
        await form.until(lambda: "first    of 12 runs: model.hidden=[16] optimizer.name=sgd" in form.said("facts"))
        await form.until(lambda: "mlp 64-16-10" in form.said("facts"))
        # Values added later do not change the first run.
        await form.type("optimizer.lr", "0.1, 0.01, 0.001")
        await form.until(lambda: "first    of 18 runs" in form.said("facts"))
        assert "^r start 18 runs" in text(form.app)
        assert form.form.form.start.label == "▸ Start 18 runs"
        await form.press("ctrl+n")
        assert "^r start " in text(form.app)
        assert "start 18 runs" not in text(form.app)
        assert form.form.form.changed == 0


def test_a_draft_and_its_command_quote_text_that_contains_a_comma() -> None:
    config = override(Config(), ["data.dataset=image-folder", "data.dir='photos, 2024'", "model.weights='a'"])
    result = parse_form(Draft.of(config).texts | {"optimizer.lr": "0.1, 0.01"})
    assert result.config == structs.replace(config, optimizer=structs.replace(config.optimizer, lr=0.1))
    assert result.runs == 2
    words = shlex.split(command_line(result, Path("runs")))
    made = override_sweep(Sweep(), parse(words[1:]).set)
    assert (made.base, made.values) == (config, result.sweep().values)
    assert shlex.split(command_line(parse_form(Draft.of(config).texts), Path("runs")))[-3] == "data.dir='photos, 2024'"


async def test_choices_are_marked_and_unmarked(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("optimizer.name")
        await form.press("space", "down", "space", "enter")
        assert form.text("optimizer.name") == "adam, adamw"
        await form.press("space", "space", "enter")
        assert form.text("optimizer.name") == "adamw"
        await form.press("space", "space", "enter")
        assert form.text("optimizer.name") == "adamw"
        await form.press(*"sgd, rmsprop", "comma", "enter")
        assert form.text("optimizer.name") == "sgd, rmsprop"
        await form.press("ctrl+g")
        assert form.text("optimizer.name") == "adam"
        await form.focus("data.normalize")
        await form.press("comma")
        assert "true, false" in form.row("data.normalize")
        assert "← 2 values" in form.row("data.normalize")
        await form.press("space")
        assert form.text("data.normalize") in ("true", "false")
        await form.focus(RUNS_IN)
        await form.press("space", "down", "space")
        assert form.text(RUNS_IN) == "background process"


async def test_typing_faster_than_the_list_opens_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.focus("optimizer.name")
        for character in "sgd,adamw":
            key = "comma" if character == "," else character
            form.app.post_message(events.Key(key, character))
        await form.until(lambda: isinstance(form.app.screen, PickList))
        await form.press("enter")
        assert form.text("optimizer.name") == "sgd, adamw"


async def test_an_invalid_value_among_several_is_marked(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("optimizer.lr", "0.1, -1")
        assert "✗ a number > 0" in form.row("optimizer.lr")
        await form.type("optimizer.lr", "0.1, 0.01")
        await form.type("optimizer.momentum", "0.9, 0")
        await form.focus("optimizer.nesterov")
        await form.press("space")
        assert "✗ needs a momentum" in form.row("optimizer.nesterov")
        await form.press("ctrl+r")
        assert "Not started" in form.said("message")


def test_far_too_many_runs_are_refused() -> None:
    texts = Draft.of(Config()).texts | {"data.batch_size": ",".join(map(str, range(1, 201)))}
    assert parse_form(texts).runs == 200
    plan = parse_form(texts | {"training.epochs": ",".join(map(str, range(1, 100)))})
    assert plan.config is None
    assert "19,800 combinations" in plan.errors["training.epochs"]


def test_several_seeds_are_runs_of_the_same_trial() -> None:
    texts = Draft.of(Config()).texts | {"optimizer.lr": "1,2", "training.seed": "3,4,5"}
    plan = parse_form(texts)
    assert plan.runs == 6
    sweep = plan.sweep()
    assert (sweep.trial_count, sweep.varying_keys, sweep.name) == (2, ["optimizer.lr"], "lr")
    assert [sweep.config({"optimizer.lr": 1.0}, number).training.seed for number in range(3)] == [3, 4, 5]
    too_many = parse_form(texts | {"training.seed": ",".join(map(str, range(1001)))})
    assert "1,001 values" in too_many.errors["training.seed"]


def test_a_sweep_without_validation_uses_other_metrics() -> None:
    texts = Draft.of(Config()).texts | {"optimizer.lr": "1,2", "data.validation": "0"}
    plan = parse_form(texts)
    assert not plan.errors
    assert plan.sweep().options.metric == "train.accuracy"
    assert parse_form(texts | {"data.validation": "0.1"}).sweep().options.metric == "validation.accuracy"


async def test_sweep_is_saved_and_started(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.epochs", "1, 2")
        await form.type("training.device", "cpu")
        await form.type("name", "mine")
        await form.press("ctrl+s")
        await form.answer(str(tmp_path / "sweep.toml"))
        assert "tuitrain sweep -c" in form.said("message")
        saved, _ = read_sweep(tmp_path / "sweep.toml")
        assert saved.values == {"training.epochs": (1, 2)}
        assert saved.options.name == "mine"
        await form.press("ctrl+r")
        await form.until(lambda: not isinstance(form.app.screen, NewRunScreen))
        (folder,) = list_sweeps(tmp_path / "runs")
        assert folder.sweep() == saved
        await form.until(lambda: len(list(folders(tmp_path / "runs"))) == 2)
        await form.until(lambda: not folder.sessions())
        ended = [run for run in folders(tmp_path / "runs") if run.state().status == "finished"]
        assert sorted(run.config().training.epochs for run in ended) == [1, 2]
        await form.press("escape")
        await form.press("n")
        assert form.text("name") == ""


async def test_the_folds_of_a_cross_validation_are_several_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.folds", "3")
        assert "This makes 3 runs. $ tuitrain train" in form.said("command")
        assert "--set training.folds=3" in form.said("command")
        assert "ignored: sweeps" in form.row(RUNS_IN)
        assert form.form.result.sweep().runs_per_trial == 3
        await form.until(lambda: "first    of 3 runs: data.fold=1/3" in form.said("facts"))
        await form.until(lambda: "958 train · 479 validation · 360 test" in form.said("facts"))
        await form.type("optimizer.lr", "0.1, 0.01")
        assert "This makes 6 runs. $ tuitrain sweep" in form.said("command")
