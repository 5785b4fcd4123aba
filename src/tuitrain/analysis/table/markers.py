"""Give each run a color and a marker that are the same on every screen."""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from types import MappingProxyType
from zlib import crc32

from msgspec import Struct

COLORS = 8
# None of these is a status sign or the star of the best value.
MARKERS = "◆▲▼►◄○□◇"
ASCII = "x^v><o#@"
COMBINATIONS = COLORS * len(MARKERS)


class RunMarker(Struct, frozen=True):
    """`number`, from 1 to COLORS, selects the theme color series-N; `marker` is one of MARKERS."""

    number: int
    marker: str

    @property
    def ascii(self) -> str:
        """The marker for terminals without Unicode."""
        return ASCII[MARKERS.index(self.marker)]


def assign_markers(ids: Sequence[str], known: Mapping[str, RunMarker] = MappingProxyType({})) -> dict[str, RunMarker]:
    """Return a marker for each id. Up to 64 ids get distinct combinations; up to eight also distinct colors and
    markers.

    `known` markers stay. Otherwise the hash of the id selects one, independent of the other ids; if it is too similar
    to another run's, the newer run gets the nearest free one.
    """
    unique = sorted(set(ids), key=lambda run: (run not in known, run))
    taken: set[int] = set()
    chosen: dict[str, RunMarker] = {}
    for run in unique:
        if len(taken) == COMBINATIONS:
            taken.clear()
        place = _combination(known[run]) if run in known else crc32(run.encode("utf-8", "surrogatepass")) % COMBINATIONS
        if _too_similar(place, taken, len(unique)):
            free = (other for other in range(COMBINATIONS) if not _too_similar(other, taken, len(unique)))
            place = min(free, key=partial(_distance, place))
        taken.add(place)
        chosen[run] = RunMarker(place % COLORS + 1, MARKERS[place // COLORS])
    return {run: chosen[run] for run in ids}


def _combination(identity: RunMarker) -> int:
    return COLORS * MARKERS.index(identity.marker) + identity.number - 1


def _too_similar(place: int, taken: Set[int], count: int) -> bool:
    """Return whether a combination is too similar to those taken, given the number of runs."""
    return (
        place in taken
        or (count <= COLORS and any(place % COLORS == other % COLORS for other in taken))
        or (count <= len(MARKERS) and any(place // COLORS == other // COLORS for other in taken))
    )


def _distance(place: int, other: int) -> tuple[int, int]:
    """Rank combinations with the same color or the same marker as nearer."""
    kept = (place % COLORS == other % COLORS) + (place // COLORS == other // COLORS)
    return -kept, (other - place) % COMBINATIONS
