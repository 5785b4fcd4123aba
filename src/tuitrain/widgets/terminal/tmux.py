"""Send sequences to the terminal outside of tmux."""

import os


def passed_through(sequence: str) -> str:
    """Wrap a sequence for tmux if the app runs in it, which passes it on if its option allow-passthrough is on."""
    if not os.environ.get("TMUX"):
        return sequence
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"
