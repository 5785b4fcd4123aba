import pytest
from rich.cells import cell_len

from tuitrain.analysis.table.markers import ASCII, COLORS, MARKERS, Identity, identities
from tuitrain.widgets.tables.runs import SIGNS

IDS = [f"20261123-1415{number:02}-run-{number * 7919 % 65536:04x}" for number in range(80)]


@pytest.mark.parametrize("count", [1, 2, 6, 8, 20, 64])
def test_no_two_runs_look_the_same(count: int) -> None:
    found = identities(IDS[:count])
    assert list(found) == IDS[:count]
    assert len(set(found.values())) == count
    assert all(1 <= one.number <= COLORS and one.marker in MARKERS for one in found.values())
    if count <= 8:
        assert len({one.number for one in found.values()}) == count
        assert len({one.marker for one in found.values()}) == len({one.ascii for one in found.values()}) == count


def test_a_run_keeps_its_identity_whatever_the_order_and_beside_newer_ones() -> None:
    found = identities(IDS[:20])
    assert identities(IDS[19::-1]) == found
    for count in range(20, 48):
        newer = identities(IDS[:count])
        assert {run: newer[run] for run in IDS[:20]} == found


def test_most_runs_keep_their_identity_where_others_go() -> None:
    whole, alone = identities(IDS[:20]), {run: identities([run])[run] for run in IDS[:20]}
    assert sum(whole[run] == alone[run] for run in alone) >= 12


def test_more_runs_than_there_are_looks_still_have_one_each() -> None:
    assert len(identities(IDS)) == 80
    assert len(set(identities(IDS).values())) == 64


@pytest.mark.parametrize("count", [2, 8, 20])
def test_what_a_run_is_known_by_stays_when_others_come_and_go(count: int) -> None:
    newest = IDS[80 - count :]
    known = identities(newest)
    more = identities(IDS[:40] + newest, known)
    assert {run: more[run] for run in newest} == known
    fewer = identities(newest[: count // 2], known)
    assert fewer == {run: known[run] for run in fewer}


def test_few_runs_never_share_a_marker_even_if_they_did_among_many() -> None:
    known = identities(IDS)
    found = identities(IDS[:8], known)
    assert len({one.marker for one in found.values()}) == len({one.number for one in found.values()}) == 8


def test_no_marker_is_the_sign_of_something_else() -> None:
    assert not set(MARKERS) & {"★", *SIGNS.values()}
    assert "*" not in ASCII


def test_hostile_and_repeated_ids() -> None:
    found = identities(["", "\ud800", "a", "a"])
    assert set(found) == {"", "\ud800", "a"}
    assert identities([]) == {}


def test_markers_are_one_cell_and_have_an_ascii_stand_in() -> None:
    assert [cell_len(marker) for marker in MARKERS] == [1] * len(MARKERS)
    assert len(set(ASCII)) == len(MARKERS)
    assert Identity(1, MARKERS[0]).ascii == ASCII[0]
