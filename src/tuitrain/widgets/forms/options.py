"""The list of options of a choice."""

from textual.widgets import OptionList


class Options(OptionList):
    """An option list that accepts paging before its first layout, when keys arrive together with the one that opens
    it."""

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()  # type: ignore[no-untyped-call]
        else:
            self.action_last()

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()  # type: ignore[no-untyped-call]
        else:
            self.action_first()
