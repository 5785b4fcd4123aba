from pathlib import Path

import pytest
from msgspec import structs

from tuitrain.analysis import summary
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import this_process
from tuitrain.runs.records import RunInfo, ShownStatus, State, Waiting


def entry(status: ShownStatus, state: State | None = None, *settings: str) -> Entry:
    config = override(Config(), settings)
    return Entry(RunFolder(Path("runs/id")), RunInfo(id="id", name="one"), config, state or State(), status)


def texts(run: Entry) -> tuple[str, str, str]:
    return summary.status(run), summary.epochs(run), summary.time(run)


def test_a_finished_run() -> None:
    state = State(epoch=10, epochs=10, step=100, steps=100, seconds=75.2)
    assert texts(entry("finished", state)) == ("finished", "10", "1:15")


def test_a_running_run_says_how_far_it_is_and_how_long_it_takes() -> None:
    state = State(epoch=2, epochs=10, step=25, steps=100, seconds=30.0)
    assert texts(entry("running", state)) == ("running 25 %", "2/10", "1:30 left")
    assert summary.status(entry("running", State(step=99, steps=100))) == "running 99 %"


def test_a_run_that_has_not_begun() -> None:
    assert texts(entry("queued", State(epochs=10))) == ("queued", "0/10", "-")


def test_a_queued_run_waits_is_held_or_starts() -> None:
    waiting = Waiting(by="queue", since=0.0)
    assert summary.status(entry("queued", State(waiting=waiting))) == "queued"
    assert summary.status(entry("queued", State(waiting=structs.replace(waiting, held=True)))) == "held"
    assert summary.status(entry("queued", State(process=this_process()))) == "starting"
    assert summary.status(entry("queued", State(process=this_process(), phase="waiting for one"))) == "queued"


def test_a_paused_and_an_interrupted_run_promise_no_end() -> None:
    state = State(epoch=2, epochs=10, step=25, steps=100, seconds=30.0)
    assert texts(entry("paused", state)) == ("paused 25 %", "2/10", "0:30")
    assert texts(entry("interrupted", state)) == ("interrupted", "2/10", "0:30")


def test_the_main_settings_and_the_changed_ones_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    run = entry("queued", None, "optimizer.lr=0.01", "model.dropout=0.5", "training.max_minutes=2")
    words = "digits · mlp 128-256 · adam 0.01 · 10 epochs · batch 64"
    assert summary.settings_in_words(run) == f"{words} · dropout 0.5 · max minutes 2"
    assert summary.settings_in_words(run, ("model.dropout",)) == f"{words} · max minutes 2"
    changed = entry("stopped", State(lr=0.5, epochs=20))
    assert summary.settings_in_words(changed).startswith("digits · mlp 128-256 · adam 0.001→0.5 · 10→20 epochs")


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        (["model.hidden=[]"], "mlp"),
        (["model.hidden=[32]"], "mlp 32"),
        (["model.name=resnet18", "model.hidden=[32]"], "resnet18"),
    ],
)
def test_widths_are_shown_if_they_matter(settings: list[str], model: str) -> None:
    assert summary.model(entry("queued", None, *settings)) == model


def test_files_of_the_user_are_shown_without_their_folder() -> None:
    from tuitrain.config.code import short_name, without_folder

    assert without_folder("/home/me/code/mine.py:Net") == "mine.py:Net"
    assert short_name("/home/me/code/mine.py:Net") == "Net"
    for name in ("resnet18", "timm/resnet18.a1_in1k", "image-folder"):
        assert without_folder(name) == short_name(name) == name
