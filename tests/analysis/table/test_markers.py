import pytest
from rich.cells import cell_len

from tuitrain.analysis.table.markers import ASCII, COLORS, MARKERS, RunMarker, assign_markers
from tuitrain.widgets.tables.runs import SIGNS

IDS = [f"20261123-1415{number:02}-run-{number * 7919 % 65536:04x}" for number in range(80)]


@pytest.mark.parametrize("count", [1, 2, 6, 8, 20, 64])
def test_no_two_runs_look_the_same(count: int) -> None:
    found = assign_markers(IDS[:count])
    assert list(found) == IDS[:count]
    assert len(set(found.values())) == count
    assert all(1 <= one.number <= COLORS and one.marker in MARKERS for one in found.values())
    if count <= 8:
        assert len({one.number for one in found.values()}) == count
        assert len({one.marker for one in found.values()}) == len({one.ascii for one in found.values()}) == count


def test_a_run_keeps_its_identity_whatever_the_order_and_beside_newer_ones() -> None:
    found = assign_markers(IDS[:20])
    assert assign_markers(IDS[19::-1]) == found
    for count in range(20, 48):
        newer = assign_markers(IDS[:count])
        assert {run: newer[run] for run in IDS[:20]} == found


def test_most_runs_keep_their_identity_where_others_go() -> None:
    whole, alone = assign_markers(IDS[:20]), {run: assign_markers([run])[run] for run in IDS[:20]}
    assert sum(whole[run] == alone[run] for run in alone) >= 12


def test_more_runs_than_markers_still_differ() -> None:
    assert len(assign_markers(IDS)) == 80
    assert len(set(assign_markers(IDS).values())) == 64


@pytest.mark.parametrize("count", [2, 8, 20])
def test_markers_stay_when_other_runs_change(count: int) -> None:
    newest = IDS[80 - count :]
    known = assign_markers(newest)
    more = assign_markers(IDS[:40] + newest, known)
    assert {run: more[run] for run in newest} == known
    fewer = assign_markers(newest[: count // 2], known)
    assert fewer == {run: known[run] for run in fewer}


def test_few_runs_never_share_a_marker_even_if_they_did_among_many() -> None:
    known = assign_markers(IDS)
    found = assign_markers(IDS[:8], known)
    assert len({one.marker for one in found.values()}) == len({one.number for one in found.values()}) == 8


def test_no_marker_is_the_sign_of_something_else() -> None:
    assert not set(MARKERS) & {"★", *SIGNS.values()}
    assert "*" not in ASCII


def test_hostile_and_repeated_ids() -> None:
    found = assign_markers(["", "\ud800", "a", "a"])
    assert set(found) == {"", "\ud800", "a"}
    assert assign_markers([]) == {}


def test_markers_are_one_cell_and_have_an_ascii_stand_in() -> None:
    assert [cell_len(marker) for marker in MARKERS] == [1] * len(MARKERS)
    assert len(set(ASCII)) == len(MARKERS)
    assert RunMarker(1, MARKERS[0]).ascii == ASCII[0]
