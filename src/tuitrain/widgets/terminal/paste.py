"""Hand a bracketed paste over as one event, and drop most reports of the terminal that are not keys."""

import re
from collections.abc import Iterable
from time import monotonic

from textual.constants import ESCAPE_DELAY
from textual.events import Key, Paste
from textual.message import Message

from tuitrain.widgets.terminal.textual_internals import XTermParser

ESCAPE, START, END = "\x1b", "\x1b[200~", "\x1b[201~"
# CSI sequences, such as the colors of a log.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Mouse reports, answers with a private mark such as device attributes, and OSC, DCS, APC and PM strings: a slow
# terminal may send them to this app although an earlier program asked for them.
_REPORT = re.compile(
    r"\x1b(?:\[(?:M...|<[-;\d]*[Mm]|[?>=][;:\d]*[A-Za-z])|[\]P_^][^\x07\x1b]*(?:\x07|\x1b\\))", re.DOTALL
)
# The beginnings of answers to XTVERSION and DA1, and the seconds to wait for the rest: nobody types these beginnings.
_ANSWER_STARTS, _ANSWER_DELAY = ("\x1bP>|", "\x1b[?"), 2.0
# The whole answers.
_VERSION = re.compile(r"\x1bP>\|([^\x07\x1b]{0,100})\x1b\\")
_ATTRIBUTES = re.compile(r"\x1b\[\?([;\d]{0,100})c")
_REPORT_BEGINNING = re.compile(r"\x1b(?:\[(?:M.{0,2}|<[-;\d]*|[?>=][;:\d]*)|[\]P_^][^\x07\x1b]*\x1b?)\Z", re.DOTALL)


class TerminalVersion(Message, bubble=False):
    """A report of the terminal: its name and version, such as `kitty(0.41.1)`."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version


class TerminalAttributes(Message, bubble=False):
    """A report of the terminal: its primary device attributes, numbers such as `64;1;2;4;22`."""

    def __init__(self, attributes: str) -> None:
        super().__init__()
        self.attributes = attributes


class PasteParser(XTermParser):
    """Textual's parser takes an unknown escape sequence, and what follows it within a paste, for keys."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        # What may be the beginning of a mark, and the parts of a paste that has not ended.
        self._held, self._held_until = "", 0.0
        self._pasted: list[str] | None = None

    def tick(self) -> Iterable[Message]:
        """Yield an escape key if nothing has followed an escape. The driver calls this at least every 0.1 s."""
        if self._held and self._pasted is None and monotonic() >= self._held_until:
            held, self._held = self._held, ""
            if held.startswith(_ANSWER_STARTS):
                # The rest was lost, and these characters are not keys.
                return
            yield from [Key("escape", ESCAPE)] if held == ESCAPE else super().feed(held)
        yield from super().tick()

    def feed(self, data: str) -> Iterable[Message]:
        if not data:
            # The end of the input.
            yield from super().feed(data)
            return
        rest, self._held = self._held + data, ""
        while rest:
            if self._pasted is None:
                keys, start, rest = rest.partition(START)
                yield from (TerminalVersion(match[1]) for match in _VERSION.finditer(keys))
                yield from (TerminalAttributes(match[1]) for match in _ATTRIBUTES.finditer(keys))
                keys = _REPORT.sub("", keys)
                if not start:
                    keys, self._held = _split_beginning(keys, START)
                    if beginning := _REPORT_BEGINNING.search(keys + self._held):
                        keys, self._held = keys[: beginning.start()], beginning[0]
                    delay = _ANSWER_DELAY if self._held.startswith(_ANSWER_STARTS) else ESCAPE_DELAY
                    self._held_until = monotonic() + delay
                yield from super().feed(keys) if keys else ()
                self._pasted = [] if start else None
            else:
                text, end, rest = rest.partition(END)
                if not end:
                    text, self._held = _split_beginning(text, END)
                self._pasted.append(text)
                if end:
                    yield Paste(_SEQUENCE.sub("", "".join(self._pasted)).replace("\x00", ""))
                    self._pasted = None


def _split_beginning(text: str, mark: str) -> tuple[str, str]:
    """Split off the end of `text` if `mark` begins with it."""
    for length in range(len(mark) - 1, 0, -1):
        if text.endswith(mark[:length]):
            return text[:-length], text[-length:]
    return text, ""
