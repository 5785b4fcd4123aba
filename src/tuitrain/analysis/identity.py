"""The colour and the marker by which a run is known on every screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

COLORS = 8
MARKERS = "◆▲■●▼★"
ASCII = "*^#ovx"


@dataclass(frozen=True, slots=True)
class Identity:
    """`number`, from 1 to COLORS, is that of the theme's variable series-N; `marker` is one of MARKERS."""

    number: int
    marker: str

    @property
    def ascii(self) -> str:
        """The marker where the terminal shows no more than ASCII."""
        return ASCII[MARKERS.index(self.marker)]


def identities(ids: Sequence[str]) -> dict[str, Identity]:
    """One for each id, in the order of `ids`; no two of up to 48 ids have the same colour and marker.

    An id's own hash picks it, whatever the other ids are; only where two pick the same does the one that sorts later,
    the newer run, move on to the next free one.
    """
    places = COLORS * len(MARKERS)
    taken: set[int] = set()
    chosen: dict[str, Identity] = {}
    for run in sorted(set(ids)):
        if len(taken) == places:
            taken.clear()
        place = crc32(run.encode("utf-8", "surrogatepass")) % places
        while place in taken:
            place = (place + 1) % places
        taken.add(place)
        chosen[run] = Identity(place % COLORS + 1, MARKERS[place // COLORS])
    return {run: chosen[run] for run in ids}
