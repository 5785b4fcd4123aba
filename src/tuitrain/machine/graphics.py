"""Tell whether the terminal draws pictures: with kitty's graphics protocol and Unicode placeholders, or as sixels."""

import os
import re
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

# Values of TERM of terminals that draw pictures, in all but their oldest versions.
_TERMS = ("xterm-kitty", "xterm-ghostty")
# The first version of kitty that knows placeholders.
_FIRST_KITTY = (0, 28)


class TmuxClient(NamedTuple):
    """The terminal outside of tmux: its name and version as it reports them, and whether tmux passes graphics on. `tty`
    changes with the terminal, and `visible` is False while it shows another window of tmux."""

    version: str = ""
    passes_on: bool = False
    tty: str = ""
    visible: bool = False

    @property
    def draws_pictures(self) -> bool:
        return self.passes_on and draws_pictures(self.version)


def may_draw_pictures(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether TERM names a terminal that draws pictures unless it is too old. Terminals that run within others,
    such as tmux and screen, set another TERM."""
    return environment.get("TERM") in _TERMS


def draws_pictures(version: str) -> bool:
    """Return whether a terminal draws pictures, by what it answers to XTVERSION, such as `kitty(0.41.1)`."""
    if kitty := re.match(r"kitty\((\d{1,4})\.(\d{1,4})", version):
        return (int(kitty[1]), int(kitty[2])) >= _FIRST_KITTY
    return version.lower().startswith("ghostty")


def draws_sixels(attributes: str) -> bool:
    """Return whether a terminal draws sixels, by what it answers to DA1, such as `64;1;2;4;22`."""
    return "4" in attributes.split(";")


def tmux_client(environment: Mapping[str, str] = os.environ) -> TmuxClient:
    """Ask tmux for the terminal that shows this pane."""
    fields = "#{client_termtype}\t#{allow-passthrough}\t#{client_tty}\t#{window_active}"
    command = ["tmux", "display-message", "-p", "-t", environment.get("TMUX_PANE", ""), fields]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=2, check=True)
        version, passes_on, tty, visible = answer.stdout.rstrip("\n").split("\t")
    except (OSError, subprocess.SubprocessError, ValueError):
        return TmuxClient()
    return TmuxClient(version, passes_on in ("1", "on", "all"), tty, visible == "1")
