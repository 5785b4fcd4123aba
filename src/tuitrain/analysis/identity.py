"""The colour and the marker by which a run is known on every screen."""

from collections.abc import Sequence, Set
from functools import partial
from itertools import takewhile
from zlib import crc32

from msgspec import Struct

COLORS = 8
MARKERS = "◆▲■●▼★"
ASCII = "*^#ovx"
PLACES = COLORS * len(MARKERS)


class Identity(Struct, frozen=True):
    """`number`, from 1 to COLORS, is that of the theme's variable series-N; `marker` is one of MARKERS."""

    number: int
    marker: str

    @property
    def ascii(self) -> str:
        """The marker where the terminal shows no more than ASCII."""
        return ASCII[MARKERS.index(self.marker)]


def identities(ids: Sequence[str]) -> dict[str, Identity]:
    """One for each id, in the order of `ids`; no two of up to 48 ids have the same colour and marker, no two of up to
    eight the same colour, no two of up to six the same marker.

    An id's own hash picks it, whatever the other ids are; only where it would be taken for another does the one that
    sorts later, the newer run, move on to the nearest that is free.
    """
    known = sorted(set(ids))
    taken: set[int] = set()
    chosen: dict[str, Identity] = {}
    for run in known:
        if len(taken) == PLACES:
            taken.clear()
        place = crc32(run.encode("utf-8", "surrogatepass")) % PLACES
        if _confused(place, taken, len(known)):
            free = (other for other in range(PLACES) if not _confused(other, taken, len(known)))
            place = min(free, key=partial(_distance, place))
        taken.add(place)
        chosen[run] = Identity(place % COLORS + 1, MARKERS[place // COLORS])
    return {run: chosen[run] for run in ids}


def _confused(place: int, taken: Set[int], count: int) -> bool:
    """Whether one of `count` ids at this place looks too much like one of those taken."""
    return (
        place in taken
        or (count <= COLORS and any(place % COLORS == other % COLORS for other in taken))
        or (count <= len(MARKERS) and any(place // COLORS == other // COLORS for other in taken))
    )


def _distance(place: int, other: int) -> tuple[int, int]:
    """A place that keeps the colour or the marker is nearer than one that keeps neither."""
    kept = (place % COLORS == other % COLORS) + (place // COLORS == other // COLORS)
    return -kept, (other - place) % PLACES


def beginning(names: Sequence[str]) -> str:
    """The letters with which all names begin."""
    return "".join(letters[0] for letters in takewhile(lambda same: len(set(same)) == 1, zip(*names, strict=False)))


def distinct(names: Sequence[str], longest: int) -> list[str]:
    """Where a name is longer than `longest`, all without the words with which all begin: `…0.01-relu`."""
    shared = beginning(names)
    words = max(shared.rfind(mark) + 1 for mark in "-_ /")
    short = [name[words:] for name in names]
    if len(names) < 2 or words < 3 or max(map(len, names)) <= longest or not all(short):
        return list(names)
    return [f"…{name}" for name in short]
