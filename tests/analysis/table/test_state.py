"""The state of the runs table: filter, order, marks, groups of seeds, and the view that a folder keeps."""

from pathlib import Path

import pytest

from analysis.table.entries import entry, names, scored
from tuitrain.analysis.table.state import TableState


def test_the_table_state_filters_sorts_and_marks(tmp_path: Path) -> None:
    table = TableState(tmp_path)
    runs = [scored("a", 0.5), scored("b", 0.9), scored("c", None)]
    table.update(runs)
    table.sort("test")
    assert (names(table.shown), table.sorted_by) == (["b", "a", "c"], ("test", True))
    table.sort("test")
    assert (names(table.shown), table.sorted_by) == (["a", "b", "c"], ("test", False))
    table.filter("test>60%")
    assert names(table.shown) == ["b"]
    table.filter("test>60% tset")
    table.filter("test>60% tset=")
    assert "Did you mean test?" in table.filter_error
    assert (names(table.shown), table.filter_text) == (["b"], "test>60% tset=")
    table.filter("")
    table.sort("")
    assert (names(table.shown), table.sorted_by, table.filter_error) == (["a", "b", "c"], ("", False), "")


def test_seeds_become_one_row_and_single_runs_again(tmp_path: Path) -> None:
    table = TableState(tmp_path)
    table.update([entry("x-s0", "training.seed=0"), entry("x-s1", "training.seed=1"), entry("y", "optimizer.lr=1")])
    assert (names(table.shown), table.grouped) == (["x-s0", "x-s1", "y"], False)
    table.toggle_groups()
    assert (names(table.shown), table.grouped) == (["x ×2", "y"], True)
    table.toggle_mark(table.shown[0])
    assert names(table.marked()) == names(table.targets(table.shown[0])) == ["x-s0", "x-s1"]
    table.toggle_groups()
    assert (names(table.shown), names(table.marked())) == (["x-s0", "x-s1", "y"], ["x-s0", "x-s1"])


def test_marks_and_what_they_mean(tmp_path: Path) -> None:
    table = TableState(tmp_path)
    a, b, c = runs = [scored("a", 0.5), scored("b", 0.9), scored("c", None)]
    table.update(runs)
    assert table.to_compare(a) == runs
    table.toggle_mark(b)
    assert table.to_compare(b) == [b]
    assert table.to_compare(a) == [b, a]
    table.toggle_mark(a)
    assert table.to_compare(c) == table.marked() == [b, a]
    assert table.targets(c) == [c]
    assert table.targets(a) == [a, b]
    table.filter("test>60%")
    assert table.targets(b) == [b]
    assert (table.marked(), table.hidden_marks) == ([b], 1)
    assert table.to_compare(b) == [b]
    assert list(table.markers()) == ["b", "a"]
    table.toggle_all_marks()
    assert (table.marked(), table.hidden_marks) == ([], 1)
    table.toggle_all_marks()
    table.filter("")
    assert (table.marked(), table.hidden_marks) == ([a, b], 0)
    table.clear_marks()
    assert table.marked() == []


def test_the_view_of_each_folder_is_kept(tmp_path: Path) -> None:
    table = TableState(tmp_path / "one")
    table.update([scored("a", 0.5)])
    table.sort("test")
    table.filter("test>1%")
    table.choose_columns(["optimizer.lr", "status", "nonsense"])
    table.toggle_mark(table.shown[0])
    table.save()
    again = TableState(tmp_path / "one")
    again.update([scored("b", 0.001), scored("a", 0.5)])
    assert (again.sorted_by, again.filter_text) == (("test", True), "test>1%")
    assert again.chosen_columns == ["status", "optimizer.lr"]
    assert (names(again.shown), again.marked()) == (["a"], [])
    assert TableState(tmp_path / "two").filter_text == ""


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"sort": 3}', b'{"columns": ["gone"], "sort": "gone", "filter": "gone=1"}']
)
def test_a_kept_view_that_makes_no_sense_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    TableState(tmp_path).save()
    (kept,) = (tmp_path / "state").rglob("*.json")
    kept.write_bytes(content)
    table = TableState(tmp_path)
    table.update([scored("a", 0.5)])
    assert (names(table.shown), table.chosen_columns) == (["a"], [])
