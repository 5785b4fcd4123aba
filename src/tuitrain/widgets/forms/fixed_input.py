"""An input whose size does not depend on its text."""

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class FixedInput(Input):
    """An `Input` that never causes a new layout of its screen, which would take longer than the rest of a key."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))
