"""`tuitrain completion`: let a shell complete commands, settings and names of runs."""

import argparse
import os
import shlex
from pathlib import Path

from tuitrain.cli.output import print_line, print_message
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import replace
from tuitrain.text import plain

SHELLS = ("bash", "zsh", "fish")
# Without compinit, zsh ignores completions.
_COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n"


def run(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    shell = options.shell or users_shell()
    script = shellcode(["tuitrain"], shell=shell)
    if shell == "zsh":
        script = _COMPINIT + script
    if options.print_only:
        print_line(script)
        return 0
    try:
        for message in _install(shell, script):
            print_message(message)
    except OSError as error:
        path = plain(error.filename or "", 1000)
        raise RunError(f"{path} cannot be written: {error.strerror}.", "Use --print, and save its output.") from None
    except RuntimeError:  # Path.home() found none.
        raise RunError("You have no home folder.", "Set HOME, or use --print and save its output.") from None
    print_message(f"Open a new {shell} to use it.")
    return 0


def users_shell() -> str:
    """Return the name of the user's shell. Raise ConfigError if there is no completion for it."""
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        known = f"$SHELL is {plain(name, 40)}" if name else "$SHELL is not set"
        raise ConfigError(f"{known}: there is a completion for bash, zsh and fish.", "Try: tuitrain completion bash")
    return name


def _install(shell: str, script: str) -> list[str]:
    """Write the script to a file that the shell reads when it starts; return a line about each changed file. Raise
    OSError, or RuntimeError without a home folder."""
    path = script_path(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, script.encode())
    messages = [f"Wrote {plain(path, 1000)}"]
    if shell == "fish":
        return messages
    folder = os.environ.get("ZDOTDIR") if shell == "zsh" else None
    startup = Path(folder or Path.home()) / f".{shell}rc"
    line = f"source {shlex.quote(str(path.absolute()))}"
    before = startup.read_text(encoding="utf-8", errors="surrogateescape") if startup.exists() else ""
    if line not in before.splitlines():
        with startup.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line}\n")
        messages.append(f"Added to {plain(startup, 1000)}: {plain(line, 1000)}")
    return messages


def script_path(shell: str) -> Path:
    """Return the file of the script for this shell, whether it is installed or not."""
    if shell == "fish":
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fish/completions/tuitrain.fish"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / f"tuitrain/completion.{shell}"
