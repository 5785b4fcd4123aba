import time
from pathlib import Path

import pytest

from analysis.table.entries import entry, names, scored
from tuitrain.analysis.metrics.kinds import METRIC_KINDS
from tuitrain.analysis.table.columns import column, columns
from tuitrain.analysis.table.group_rows import group_entries
from tuitrain.analysis.table.layout import (
    columns_for_test_split,
    default_columns,
    differing_settings,
    parse_sort,
    sort_entries,
    table_order,
)
from tuitrain.analysis.table.query import parse
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Metrics, RunInfo, Score, State


def test_every_setting_is_a_column_and_every_word_means_one() -> None:
    assert set(settings()) < set(columns())
    words = [name.replace("_", "-") for one in columns().values() for name in one.names]
    assert len(words) == len(set(words))
    assert all(column(name) is one for one in columns().values() for name in one.names)


def test_titles_tell_columns_apart_but_for_settings_with_one_name() -> None:
    titles = [one.title for key, one in columns().items() if "." not in key]
    assert len(titles) == len(set(titles))


def test_best_and_last_values_are_different_columns() -> None:
    state = State(
        epoch=5, epochs=10, step=50, seconds=75.0, train=Score(0.01, 0.99), validation=Score(0.5, 0.81),
        test=Score(0.6, 0.8), best=Best(3, 30, Score(0.25, 0.9), Score(0.3, 0.88)), samples_per_second=92_400.0,
        memory=1_600_000,
    )  # fmt: skip
    shown = {key: columns()[key].text(entry(state=state)) for key in columns() if "." not in key}
    assert {key: shown[key] for key in ("best", "val", "test", "best-test", "train")} == {
        "best": "90.00 %", "val": "81.00 %", "test": "80.00 %", "best-test": "88.00 %", "train": "99.00 %",
    }  # fmt: skip
    assert [shown[f"{key}-loss"] for key in ("best", "val", "test", "best-test", "train")] == [
        "0.2500", "0.5000", "0.6000", "0.3000", "0.0100",
    ]  # fmt: skip
    assert (shown["epoch"], shown["best-epoch"], shown["time"]) == ("5/10", "3", "1:15")
    assert (shown["rate"], shown["memory"]) == ("92.4k", "1.6 MB")


def test_a_missing_metric_has_no_value() -> None:
    bare = entry(state=State())
    without = {key for key in columns() if "." not in key and columns()[key].value(bare) is None}
    assert without == set(columns()) - set(settings()) - {"run", "id", "status", "epoch"}
    assert columns()["data.dir"].value(bare) is None
    damaged = entry(status="damaged")
    assert all(columns()[key].value(damaged) is None for key in settings())


def test_no_cell_is_endless_or_moves_the_cursor() -> None:
    widths = ",".join(["128"] * 1000)
    info = RunInfo(id="id", name="\x1b[2J\n" * 100, notes="\x1b]0;x\x07" * 99, tags=["\u202e"] * 99, created=1e308)
    state = State(epoch=2**53, epochs=1, step=2**53, steps=1, seconds=1e308, test=Score(1e308, 1e308))
    for status in ("running", "finished", "damaged"):
        run = Entry(RunFolder(Path("x")), info, override(Config(), [f"model.hidden=[{widths}]"]), state, status)
        texts = [one.text(run) for one in columns().values()]
        assert all(text.isprintable() and len(text) <= 60 for text in texts)


def test_runs_without_a_value_come_last_either_way_and_equal_ones_keep_their_order() -> None:
    runs = [scored("none", None), scored("low", 0.1), scored("also", 0.9), scored("high", 0.9)]
    assert names(sort_entries(runs, columns()["test"], True)) == ["also", "high", "low", "none"]
    assert names(sort_entries(runs, columns()["test"], False)) == ["low", "also", "high", "none"]


@pytest.mark.parametrize("key", list(columns()))
def test_every_column_sorts_whatever_the_runs_hold(key: str) -> None:
    full = State(
        epoch=3, step=30, steps=30, seconds=3.0, samples_per_second=1.0, memory=5, train=Score(None, 0.5),
        validation=Score(0.1, 0.5), test=Score(0.2, 0.5), best=Best(1, 10, Score(0.1, 0.5)),
    )  # fmt: skip
    runs = [
        entry("a", state=full), entry("b", "model.hidden=[]", "data.augment=[flip]"), entry("c", "data.dir=/x"),
        entry("d", "training.threads=2", "model.name=cnn"), entry("e", status="damaged"), entry("B", state=full),
    ]  # fmt: skip
    for falling in (False, True):
        assert sorted(names(sort_entries(runs, columns()[key], falling))) == ["B", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("text", "key", "falling"),
    [
        ("test", "test", True),
        ("-test", "test", True),
        ("test:asc", "test", False),
        ("lr", "optimizer.lr", False),
        ("-optimizer.lr", "optimizer.lr", True),
        ("name:desc", "run", True),
    ],
)
def test_orders(text: str, key: str, falling: bool) -> None:
    by, down = parse_sort(text)
    assert (by.key, down) == (key, falling)


@pytest.mark.parametrize(
    ("text", "message"),
    [("tst", "Did you mean test"), ("test:up", "is not a sort order"), ("-test:asc", "is not a sort order")],
)
def test_wrong_orders(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_sort(text)


def test_settings_that_differ() -> None:
    runs = [entry("a"), entry("b", "optimizer.lr=0.1"), entry("c", "optimizer.lr=0.1", "model.hidden=[1]")]
    assert differing_settings(runs) == ["model.hidden", "optimizer.lr"]
    assert differing_settings([*runs[:1], entry("bad", "optimizer.lr=9", status="damaged")]) == []
    assert differing_settings([]) == []


@pytest.mark.parametrize(
    ("rates", "differing"),
    [((None, None), []), ((0.5, None), ["optimizer.lr"]), ((0.5, 0.5), []), ((0.5, 0.6), ["optimizer.lr"])],
)
def test_settings_that_a_user_changed_differ(rates: tuple[float | None, ...], differing: list[str]) -> None:
    assert differing_settings([entry(str(rate), state=State(lr=rate)) for rate in rates]) == differing


def test_automatic_columns_are_differing_settings_and_defaults() -> None:
    many = [entry(str(lr), f"optimizer.lr={lr}", f"model.hidden=[{seed}]") for lr in (0.1, 0.2) for seed in (1, 2)]
    assert table_order(default_columns(many)) == ["status", "model.name", "optimizer.lr", "best", "best-test", "time"]
    usual = ["data.dataset", "model.name", "model.activation", "optimizer.name", "optimizer.lr"]
    for runs in ([], [entry()], [entry("a"), entry("b"), entry("c"), entry("d")]):
        assert table_order(default_columns(runs)) == ["status", *usual, "epoch", "best", "best-test", "time"]
    assert default_columns(many)[:4] == ["status", "best", "time", "optimizer.lr"]


def test_without_validation_the_last_test_accuracy_is_shown() -> None:
    chosen, unchosen = entry("chosen"), entry("unchosen", "data.validation=0")
    assert columns_for_test_split([]) == columns_for_test_split([chosen]) == ["best-test"]
    assert columns_for_test_split([unchosen, entry("bad", status="damaged")]) == ["test"]
    assert columns_for_test_split([chosen, unchosen]) == ["best-test", "test"]
    assert {"best-test", "test"} < set(default_columns([chosen, unchosen]))


def test_a_table_shows_paths_last_and_the_usual_where_only_paths_differ() -> None:
    settings = ("data.dataset=mnist", "data.dir=/somewhere/{0}", "optimizer.lr=0.{0}", "schedule.warmup={0}")
    runs = [entry(str(number), *(text.format(number) for text in settings)) for number in (1, 2, 3)]
    expected = ["status", "best", "time", "optimizer.lr", "schedule.warmup", "best-test", "data.dir"]
    assert default_columns(runs) == expected
    moved = [entry(str(number), "data.dataset=mnist", f"data.dir=/somewhere/{number}") for number in (1, 2, 3)]
    assert default_columns(moved)[-1] == "data.dir"
    assert "optimizer.lr" in default_columns(moved)


def test_a_group_shows_means_with_deviations_and_its_seeds() -> None:
    runs = [
        entry(f"x-s{seed}", f"training.seed={seed}", state=State(test=Score(loss, accuracy), samples_per_second=10.0))
        for seed, loss, accuracy in ((3, 1.0, 0.5), (1, 2.0, 0.7))
    ]  # fmt: skip
    [row] = group_entries(runs)
    shown = {key: columns()[key].text(row) for key in ("run", "test", "test-loss", "best", "rate", "training.seed")}
    assert shown == {
        "run": "x ×2", "test": "60.00 % ± 14.14", "test-loss": "1.5000 ± 0.7071", "best": "-", "rate": "10",
        "training.seed": "1, 3",
    }  # fmt: skip
    [alone] = group_entries(runs[:1])
    assert columns()["test"].text(alone) == "50.00 %"


@pytest.mark.parametrize(
    ("key", "settings", "value", "text"),
    [
        ("training.log_every", [], None, "-"),
        ("training.log_every", ["training.log_every=5"], 5, "5"),
        ("training.device", ["training.device=cpu"], "cpu", "cpu"),
        ("data.normalize", ["data.normalize=false"], "false", "false"),
        ("model.hidden", ["model.hidden=[3,4]"], (3, 4), "3-4"),
        ("model.hidden", ["model.hidden=[]"], None, "-"),
        ("optimizer.lr", [], 0.001, "0.001"),
        ("training.patience", [], None, "-"),
    ],
)
def test_values_of_settings(key: str, settings: list[str], value: object, text: str) -> None:
    run = entry("a", *settings)
    assert (columns()[key].value(run), columns()[key].text(run)) == (value, text)


def test_an_age_is_that_of_now() -> None:
    run = Entry(
        RunFolder(Path("x")), RunInfo(id="x", name="x", created=time.time() - 7300), Config(), State(), "finished"
    )
    assert columns()["age"].text(run) == "2 h ago"
    assert columns()["age"].value(run) == pytest.approx(7300, abs=60)


def measured(name: str, value: float | None, *, best: bool = True) -> Entry:
    """Return a run whose test split has this macro-F1 with the best weights, or with the last ones without a best
    epoch."""
    score = Score(0.1, 0.5, None if value is None else Metrics(macro_f1=value, ece=0.5))
    validation = Score(0.1, 0.5, Metrics(macro_f1=0.25))
    state = State(best=Best(1, 1, validation, score), test=Score(0.2, 0.4)) if best else State(test=score)
    return entry(name, state=state)


def test_metrics_are_columns_of_the_best_weights() -> None:
    runs = [measured("a", 0.2), measured("b", None), measured("c", 0.9, best=False)]
    by, falling = parse_sort("macro_f1")
    assert (by.key, by.kind, falling) == ("macro-f1", "fraction", True)
    assert names(sort_entries(runs, by, falling)) == ["c", "a", "b"]
    assert [by.text(run) for run in runs] == ["20.00 %", "-", "90.00 %"]
    assert [run.info.name for run in runs if parse("best-test-macro-f1>50%")(run)] == ["c"]
    assert [run.info.name for run in runs if parse("best-macro-f1=25%")(run)] == ["a", "b"]
    assert not parse_sort("ece")[1]


def test_every_metric_is_a_column_of_two_splits() -> None:
    for kind in METRIC_KINDS:
        name = kind.name.replace("_", "-")
        assert column(kind.name).key == name
        assert column(f"best-{name}").title == f"best val {kind.title}"


def test_a_group_has_the_mean_and_deviation_of_its_metrics() -> None:
    runs = [entry(name, f"training.seed={seed}", state=measured(name, value).state)
            for seed, (name, value) in enumerate([("a", 0.25), ("b", 0.75)])]  # fmt: skip
    [row] = group_entries(runs)
    assert column("macro-f1").text(row) == "50.00 % ± 35.36"
    assert column("best-macro-f1").text(row) == "25.00 % ± 0.00"
    assert column("kappa").text(row) == "-"
