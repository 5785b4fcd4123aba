"""Check the terminal that the app would open in, by what its environment says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping

from tuitrain.config import preferences
from tuitrain.hosts.doctor.finding import Finding
from tuitrain.machine.graphics import draws_pictures, may_draw_pictures, tmux_client
from tuitrain.text import plain, utf8_locale

# The smallest screen on which everything works, in columns and rows.
SMALLEST = (60, 20)
# Milliseconds that tmux may wait after escape without the wait being felt.
_QUICK = 50


def check_terminal(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    name = plain(environment.get("TERM", ""), 40)
    size = shutil.get_terminal_size()
    if not sys.__stdout__ or not sys.__stdout__.isatty():
        yield Finding("terminal", "the output is not a terminal", "note", "The app needs one: ssh -t HOST tuitrain")
    elif name in ("", "dumb"):
        advice = "Set TERM to the name of your terminal, such as: export TERM=xterm-256color"
        yield Finding("terminal", f"TERM is {name or 'not set'}", "problem", advice)
    elif size.columns < SMALLEST[0] or size.lines < SMALLEST[1]:
        advice = f"Enlarge it to at least {SMALLEST[0]}x{SMALLEST[1]}."
        yield Finding("terminal", f"{name}, {size.columns}x{size.lines}", "problem", advice)
    else:
        where = ", over SSH" * ("SSH_CONNECTION" in environment)
        yield Finding("terminal", f"{name}, {size.columns}x{size.lines}{where}")
    yield _colors(environment)
    yield _glyphs(environment)
    yield _pictures(environment)
    if "TMUX" in environment and (delay := _escape_delay()) is not None and delay > _QUICK:
        advice = "Put `set -sg escape-time 10` into ~/.tmux.conf."
        yield Finding("tmux", f"escape takes {delay} ms", "note", advice)


def _colors(environment: Mapping[str, str]) -> Finding:
    if "NO_COLOR" in environment:
        return Finding("colors", "none, because NO_COLOR is set")
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Finding("colors", "24 bits")
    advice = "If your terminal has 24-bit colors: export COLORTERM=truecolor. SSH does not pass it on by itself."
    if "TMUX" in environment:
        advice += " tmux also needs: set -as terminal-features ',*:RGB'"
    if "256color" in environment.get("TERM", ""):
        return Finding("colors", "256", "note", advice)
    return Finding("colors", "16, as far as TERM tells", "note", advice)


def _glyphs(environment: Mapping[str, str]) -> Finding:
    if utf8_locale(environment):
        return Finding("characters", "UTF-8: curves in braille")
    advice = "If your terminal shows UTF-8: export LANG=C.UTF-8"
    return Finding("characters", "no UTF-8 locale: curves are drawn with plain marks", "note", advice)


def _pictures(environment: Mapping[str, str]) -> Finding:
    choice, name = preferences.load().pictures, environment.get("TERM", "")
    as_text = "half blocks" if "256color" in name or "COLORTERM" in environment else "characters, for lack of colors"
    if chosen := {"kitty": "kitty's graphics", "sixel": "sixels", "blocks": as_text}.get(choice):
        return Finding("pictures", f"{chosen}, as you chose in the palette")
    if "NO_COLOR" in environment:
        return Finding("pictures", "characters, because NO_COLOR is set")
    if "TMUX" in environment:
        client = tmux_client(environment)
        if client.draws_pictures:
            return Finding("pictures", "kitty's graphics, through tmux")
        if draws_pictures(client.version):
            advice = "Put `set -g allow-passthrough on` into ~/.tmux.conf."
            return Finding("pictures", f"{as_text}, because tmux passes no graphics on", "note", advice)
    elif may_draw_pictures(environment):
        return Finding("pictures", "kitty's graphics" + ", from kitty 0.28 on" * ("kitty" in name))
    else:
        return Finding("pictures", f"sixels if the terminal draws them, otherwise {as_text}")
    return Finding("pictures", as_text)


def _escape_delay() -> int | None:
    """Return the milliseconds that tmux waits after escape, in case a key sequence follows; None if unknown."""
    try:
        answer = subprocess.run(
            ["tmux", "show-options", "-sv", "escape-time"], capture_output=True, text=True, timeout=2, check=True
        )
        return int(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
