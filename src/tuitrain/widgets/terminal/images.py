"""Number the pictures that widgets draw, and send them to the terminal."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import NamedTuple

from rich.segment import Segment
from textual.geometry import Size

from tuitrain.widgets.terminal.cell_size import cell_size
from tuitrain.widgets.terminal.cells import PictureCell
from tuitrain.widgets.terminal.kitty import MARKS, deletion, placeholders, transmission
from tuitrain.widgets.terminal.sixel import parts_of, sixels
from tuitrain.widgets.terminal.thumbnails import Picture

# Pixels of all pictures that the terminal keeps, about 24 MB.
MAX_PIXELS = 8_000_000


class _Placed(NamedTuple):
    picture: Picture
    area: Size

    @property
    def pixels(self) -> int:
        return self.picture.width * self.picture.height


@dataclass
class _Image:
    placed: _Placed
    sent: bool = False


class Images:
    """The pictures that widgets draw, with a number for each picture and area. The app sends a picture when it paints
    the first of its cells, and deletes it when another one needs its number or memory."""

    def __init__(self) -> None:
        self._images: dict[int, _Image] = {}
        self._numbers: dict[_Placed, int] = {}
        # Pictures on the screen, or drawn for the next screen update.
        self._needed: set[int] = set()
        self._commands: list[str] = []
        self.dropped = False
        """Whether widgets must redraw, because cells that they keep may show other pictures now."""

    def __len__(self) -> int:
        return len(self._images)

    def line(self, picture: Picture, area: Size, line: int) -> Segment | None:
        """Return line `line` of a picture in an area of cells; None if there is no room for the picture."""
        number = self._number(_Placed(picture, area))
        return None if number is None else Segment(placeholders(number, line, area.width))

    def _number(self, placed: _Placed) -> int | None:
        number = self._numbers.get(placed)
        if number is None:
            if max(placed.area) > len(MARKS):
                return None
            self._make_room(placed.pixels)
            number = next((free for free in range(1, len(MARKS)) if free not in self._images), None)
            if number is None:
                return None
            self._images[number], self._numbers[placed] = _Image(placed), number
        self._needed.add(number)
        return number

    def _make_room(self, pixels: int) -> None:
        """Drop all pictures that are not needed if the next one would exceed a limit."""
        kept = sum(image.placed.pixels for image in self._images.values())
        if len(self._images) < len(MARKS) - 1 and kept + pixels <= MAX_PIXELS:
            return
        for number in self._images.keys() - self._needed:
            image = self._images.pop(number)
            del self._numbers[image.placed]
            self._commands += [deletion(number)] if image.sent else []
            self.dropped = True

    def take_commands(self, shown: Set[int]) -> str:
        """Return the sequences that send the pictures on the screen, and delete others."""
        commands, self._commands = self._commands, []
        self._needed = set(shown)
        for number in sorted(shown):
            image = self._images.get(number)
            if image is not None and not image.sent:
                image.sent = True
                commands.append(transmission(number, *image.placed))
        return "".join(commands)

    def forget(self) -> None:
        """Assume that the terminal keeps no picture, so that those on the screen are sent again."""
        for image in self._images.values():
            image.sent = False

    def delete_all(self) -> str:
        """Return the sequences that delete all pictures from the terminal."""
        self.forget()
        return "".join(map(deletion, self._images))


class SixelImages(Images):
    """The pictures of a terminal with sixel graphics. It keeps none: text erases the parts of a picture that it covers,
    and the app draws the parts that appear."""

    def take_commands(self, shown: Set[int]) -> str:
        self._needed = set(shown)
        return ""

    def delete_all(self) -> str:
        return ""

    def draw(self, cells: Iterable[PictureCell]) -> str:
        """Return the sequences that draw parts of pictures into blank cells, given from left to right."""
        drawn, cell = [], cell_size()
        for number, origin, region in parts_of(cells):
            image = self._images.get(number)
            if image is not None:
                part = sixels(*image.placed, region - origin, cell)
                drawn.append(f"\x1b[{region.y + 1};{region.x + 1}H{part}")
        return "".join(drawn)
