"""Titles that name the metric of the best epochs, and settings that a run ignores."""

from analysis.table.entries import entry
from tuitrain.analysis import summary
from tuitrain.analysis.table.columns import columns, shown_title
from tuitrain.analysis.table.layout import default_columns, differing_settings
from tuitrain.config.schema import Goal
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Best, Score, State


def test_titles_say_by_what_epochs_are_the_best() -> None:
    def best_by(metric: Goal) -> Entry:
        return entry(state=State(best=Best(1, 1, Score(0.5, 0.8), metric=metric, value=0.7)))

    def titles(*entries: Entry) -> list[str]:
        return [shown_title(columns()[key], entries) for key in ("best", "best-test", "best-epoch", "val")]

    assert titles(best_by("loss"), entry()) == ["best val", "best test", "best epoch", "last val"]
    assert titles(best_by("macro-f1"), entry())[:2] == ["best val by macro-F1", "best test by macro-F1"]
    assert titles(best_by("macro-f1"), best_by("loss"))[1:] == [
        "best test by training.best", "best epoch by training.best", "last val",
    ]  # fmt: skip


def test_settings_that_a_run_ignores_are_not_shown() -> None:
    timm = [entry(name, "model.name=timm/resnet18", f"model.activation={name}") for name in ("relu", "tanh")]
    assert differing_settings(timm) == []
    assert columns()["model.activation"].text(timm[0]) == "-"
    assert "model.activation" not in default_columns(timm)
    assert "model.activation" in default_columns([timm[0], entry()])
    assert differing_settings([*timm, entry("c", "model.activation=tanh")]) == ["model.name"]
    assert summary.settings(timm[1]) == {"model.name": "timm/resnet18"}
    assert "model.activation" not in timm[1].settings
