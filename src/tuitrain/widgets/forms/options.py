"""The option list that choices share."""

from textual.widgets import OptionList


class Options(OptionList):
    """An option list that can be paged before its first layout: page keys may arrive with the key that opens it."""

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
