"""Draw one picture as large as it was rendered."""

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.widgets.terminal.pictures import draws_shades, picture_line, thumbnail


class PictureView(Widget, can_focus=True):
    """Draws a picture in its upper left corner, two pixels per cell."""

    _picture: SmallPicture | None = None

    def show(self, picture: SmallPicture | None) -> None:
        if picture is not self._picture:
            self._picture = picture
            self.refresh()

    def render_line(self, y: int) -> Strip:
        segments: list[Segment] = []
        if (picture := self._picture) is not None:
            rows = thumbnail(picture, max(picture.width, picture.height))
            segments = picture_line(rows, y, shades=draws_shades(self.app)) if rows else []
        return Strip(segments).adjust_cell_length(self.size.width).apply_style(self.rich_style)
