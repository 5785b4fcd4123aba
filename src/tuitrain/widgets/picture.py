"""Draw one picture as large as it was rendered."""

from textual.strip import Strip
from textual.widget import Widget

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.widgets.terminal.pictures import whole_picture_line


class PictureView(Widget, can_focus=True):
    """Draws a picture in its upper left corner."""

    _picture: SmallPicture | None = None

    def show(self, picture: SmallPicture | None) -> None:
        if picture is not self._picture:
            self._picture = picture
            self.refresh()

    def render_line(self, y: int) -> Strip:
        picture = self._picture
        line = [] if picture is None else whole_picture_line(self.app, picture, self.size, y)
        return Strip(line).adjust_cell_length(self.size.width).apply_style(self.rich_style)
