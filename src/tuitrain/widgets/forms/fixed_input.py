"""An input whose size does not depend on its text."""

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class FixedInput(Input):
    """A compact `Input` that never causes a new layout of its screen, which would take longer than the rest of a
    key."""

    # An input gives itself these classes one after the other, and computes its styles anew after each.
    DEFAULT_CLASSES = "-textual-compact -valid"
    compact: Reactive[bool] = Reactive(True)

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))
