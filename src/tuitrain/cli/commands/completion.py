"""`tuitrain completion`: let a shell complete commands, settings and names of runs."""

import argparse
import os
from pathlib import Path

from tuitrain.cli.output import print_line, print_message
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import replace
from tuitrain.text import plain

SHELLS = ("bash", "zsh", "fish")
# zsh completes nothing before compinit has run.
_COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n"


def run(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    shell = options.shell or _users_shell()
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
    print_message(f"Open a new {shell} to use it.")
    return 0


def _users_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        known = f"$SHELL is {plain(name, 40)}" if name else "$SHELL is not set"
        raise ConfigError(f"{known}: there is a completion for bash, zsh and fish.", "Try: tuitrain completion bash")
    return name


def _install(shell: str, script: str) -> list[str]:
    """Write the script to a file that the shell reads when it starts; return what was written. Raise OSError."""
    home = Path.home()
    if shell == "fish":
        path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish/completions/tuitrain.fish"
        return [_write(path, script)]
    path = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / f"tuitrain/completion.{shell}"
    folder = Path(os.environ.get("ZDOTDIR") or home) if shell == "zsh" else home
    startup = folder / f".{shell}rc"
    line = f'source "{path}"'
    messages = [_write(path, script)]
    before = startup.read_text(encoding="utf-8", errors="surrogateescape") if startup.exists() else ""
    if line not in before.splitlines():
        with startup.open("a", encoding="utf-8") as file:
            file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line}\n")
        messages.append(f"Added to {plain(startup, 1000)}: {plain(line, 1000)}")
    return messages


def _write(path: Path, script: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, script.encode())
    return f"Wrote {plain(path, 1000)}"
