"""The colour and the marker by which a run is known on every screen."""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from itertools import takewhile
from types import MappingProxyType
from zlib import crc32

from msgspec import Struct

COLORS = 8
# No signs of a status, nor the star of what is best.
MARKERS = "◆▲▼►◄○□◇"
ASCII = "x^v><o#@"
PLACES = COLORS * len(MARKERS)


class Identity(Struct, frozen=True):
    """`number`, from 1 to COLORS, is that of the theme's variable series-N; `marker` is one of MARKERS."""

    number: int
    marker: str

    @property
    def ascii(self) -> str:
        """The marker where the terminal shows no more than ASCII."""
        return ASCII[MARKERS.index(self.marker)]


def identities(ids: Sequence[str], known: Mapping[str, Identity] = MappingProxyType({})) -> dict[str, Identity]:
    """One for each id, in the order of `ids`; no two of up to 64 ids have the same colour and marker, no two of up to
    eight the same colour or the same marker.

    Those `known` already stay as they are. Else an id's own hash picks one, whatever the other ids are; only where it
    would be taken for another does the one that sorts later, the newer run, move on to the nearest that is free.
    """
    unique = sorted(set(ids), key=lambda run: (run not in known, run))
    taken: set[int] = set()
    chosen: dict[str, Identity] = {}
    for run in unique:
        if len(taken) == PLACES:
            taken.clear()
        place = _place(known[run]) if run in known else crc32(run.encode("utf-8", "surrogatepass")) % PLACES
        if _confused(place, taken, len(unique)):
            free = (other for other in range(PLACES) if not _confused(other, taken, len(unique)))
            place = min(free, key=partial(_distance, place))
        taken.add(place)
        chosen[run] = Identity(place % COLORS + 1, MARKERS[place // COLORS])
    return {run: chosen[run] for run in ids}


def _place(identity: Identity) -> int:
    return COLORS * MARKERS.index(identity.marker) + identity.number - 1


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
