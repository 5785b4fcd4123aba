"""Decide whether the code in settings may run.

Settings in a run folder, a sweep folder or a TOML file may come from anyone. Their code runs only if this user started
that run or sweep, or allowed its code once. A register in the user's state folder records this; a received folder
cannot forge an entry, and a copy of a folder does not contain one.

Call `remember` to start a run or sweep from settings that the user typed, and `check` or `split_code` before you run
any other code. A process that moves a run or sweep to another one passes the `code_key` of the code that may run, so
that an edit of the folder in between allows nothing. A run has copies of the user's files: open `copies_pinned` before
you check or run its code, so that both see the same content.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.config.code import CODE_KEYS, COMMAND, DATASET, MODEL, Code, code_of, pinned
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.values import flatten
from tuitrain.errors import DataError, RunError, TrustError
from tuitrain.files import replace
from tuitrain.runs.files import decode_or_none
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.user_files import copied_sources
from tuitrain.text import plain


class Origin(Struct, frozen=True):
    """Where code comes from: a run, a sweep or a file."""

    kind: str
    name: str

    def __str__(self) -> str:
        return plain(self.name, 200) if self.kind == "file" else f"{self.kind} {plain(self.name, 200)}"


class _Entry(Struct):
    """An entry of the register; `digest` is that of the user's file when the user allowed it."""

    kind: str
    name: str
    key: str
    value: str
    digest: str


def run_origin(folder: RunFolder) -> Origin:
    return Origin("run", folder.path.resolve().name)


def sweep_origin(folder: SweepFolder) -> Origin:
    return Origin("sweep", folder.path.resolve().name)


def file_origin(path: Path) -> Origin:
    return Origin("file", str(path.expanduser().absolute()))


def config_code(config: Config) -> list[Code]:
    return code_of(flatten(config))


def sweep_code(sweep: Sweep) -> list[Code]:
    """Return the code of all trials of a sweep."""
    varied = [{key: value} for key in CODE_KEYS for value in _choices(sweep, key)]
    trials = [flatten(sweep.base), *varied, *sweep.extra, *sweep.added.values()]
    return list(dict.fromkeys(code for values in trials for code in code_of(values)))


def _choices(sweep: Sweep, key: str) -> tuple[object, ...]:
    choices = sweep.values.get(key, ())
    return choices if isinstance(choices, tuple) else ()


def unknown_code(origin: Origin, code: Iterable[Code], *, contents: bool = True) -> list[Code]:
    """Return the code that this user has not allowed in `origin`. With `contents`, code of a run or sweep whose file
    has changed is unknown."""
    # People edit their own files often, so a file of settings that they name allows any content.
    contents = contents and origin.kind != "file"
    return [item for item in code if not _is_known(_entry(origin, item), item, contents)]


def _is_known(entry: _Entry | None, code: Code, contents: bool) -> bool:
    try:
        return entry is not None and (not contents or entry.digest == code.digest())
    except DataError:
        # The file cannot be read, so it cannot run either: the preparation of the run reports the reason.
        return True


def remember(origin: Origin, code: Iterable[Code]) -> str:
    """Allow `code` in `origin` from now on. Return why this cannot be stored, or an empty string."""
    for item in code:
        path = _entry_file(origin, item)
        try:
            entry = _Entry(origin.kind, origin.name, item.key, item.value, item.digest())
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace(path, msgspec.json.encode(entry) + b"\n")
        except DataError:
            continue  # As in `_is_known`.
        except OSError as error:
            return plain(f"{path.parent} cannot be written: {error.strerror}")
    return ""


def check(origin: Origin, code: Sequence[Code], *, trust: bool = False) -> None:
    """Raise TrustError if this user has not allowed all of `code` in `origin`; with `trust`, allow it."""
    if trust:
        remember(origin, code)
    elif unknown := unknown_code(origin, code):
        listed = "; ".join(map(str, unknown))
        raise TrustError(f"{reason(origin, unknown)}; add --trust to allow this code: {listed}.")


def reason(origin: Origin, unknown: Sequence[Code]) -> str:
    """Return why the user must allow the code, as a main clause without a full stop."""
    changed = [code.value.rpartition(":")[0] for code in unknown if _entry(origin, code) is not None]
    if changed:
        return f"{plain(changed[0])} has changed since you allowed it for {origin}"
    if origin.kind == "file":
        return f"You have not allowed the code of {origin} yet"
    return f"You did not start {origin} here"


def code_key(code: Iterable[Code], *, contents: bool = True) -> str:
    """Return a digest that identifies the code that the user has allowed, for another process; with `contents`, also
    its files."""
    found = [(item.key, item.value, _digest(item) if contents else "") for item in code]
    return hashlib.sha256(msgspec.json.encode(found)).hexdigest()


def _digest(code: Code) -> str:
    try:
        return code.digest()
    except DataError:
        return ""  # As in `_is_known`.


@contextmanager
def copies_pinned(folder: RunFolder) -> Iterator[None]:
    """Use the run's copies of the user's files in this thread. Raise RunError if one is missing or has changed."""
    with pinned(copied_sources(folder)):
        yield


def run_code(folder: RunFolder) -> tuple[list[Code], list[Code], str]:
    """Return all code of the run, the part that the user has not allowed, and the `code_key`."""
    code = config_code(folder.config())
    with copies_pinned(folder):
        return code, unknown_code(run_origin(folder), code), code_key(code)


def remember_run(folder: RunFolder, code: Iterable[Code]) -> str:
    """Allow `code` of the run, as its copies of the user's files contain it. Return the same as `remember`."""
    with copies_pinned(folder):
        return remember(run_origin(folder), code)


def split_code(folder: RunFolder, config: Config, key: str = "") -> tuple[list[Code], list[Code]]:
    """Return the code of the run that may run, and the commands that must not run. If `key` is the `code_key` of all
    its code, all of it may run. Raise TrustError if a file of its code must not run."""
    code, origin = config_code(config), run_origin(folder)
    unknown = [] if key == code_key(code) else unknown_code(origin, code)
    if any(item.key != COMMAND for item in unknown):
        check(origin, code)
    return [item for item in code if item not in unknown], unknown


@contextmanager
def allowed_code(folder: RunFolder, config: Config, key: str = "") -> Iterator[tuple[list[Code], list[Code]]]:
    """Use the run's copies of the user's files in this thread, and yield what `split_code` returns."""
    with copies_pinned(folder):
        yield split_code(folder, config, key)


def check_run(folder: RunFolder, *, trust: bool = False) -> tuple[str, list[str]]:
    """Return the `code_key` of the run, empty if some of its code must not run, and the `code_lines`. Raise TrustError
    if a file of its code must not run; with `trust`, allow all code."""
    config = folder.config()
    code = config_code(config)
    with copies_pinned(folder):
        key = code_key(code)
        if trust:
            remember(run_origin(folder), code)
        allowed, refused = split_code(folder, config, key if trust else "")
    return "" if refused else key, code_lines(allowed, refused)


@contextmanager
def evaluation_code(
    folder: RunFolder, *, trust: bool = False, keys: Sequence[str] = (MODEL, DATASET)
) -> Iterator[None]:
    """Use the run's own copies of the user's files in this thread to evaluate or export it, which needs the code of
    `keys` only. Raise TrustError if the user has not allowed it; with `trust`, allow it."""
    code = [item for item in config_code(folder.config()) if item.key in keys]
    with copies_pinned(folder):
        check(run_origin(folder), code, trust=trust)
        yield


def code_lines(allowed: Iterable[Code], refused: Iterable[Code]) -> list[str]:
    """Return a line for each piece of code that runs, and for each command that does not."""
    dropped = "notify.command does not run, because you did not start this run here (--trust allows it)"
    return [*map(str, allowed), *(f"{dropped}: {str(code).partition(': ')[2]}" for code in refused)]


def check_sweep(folder: SweepFolder, *, trust: bool = False, key: str = "") -> tuple[str, list[str]]:
    """Return the `sweep_key` of a sweep, and a line for each piece of code that it runs. Raise TrustError if the user
    has not allowed all of it, unless `key` is its `sweep_key`; with `trust`, allow it and that of its runs."""
    code = sweep_code(folder.sweep())
    if key != sweep_key(code):
        check(sweep_origin(folder), code, trust=trust)
    for job in folder.jobs() if trust else ():
        try:
            run = folder.run(job)
            if run is not None:
                check_run(run, trust=True)
        except RunError:
            continue  # The worker reports a damaged run.
    return sweep_key(code), list(map(str, code))


def sweep_key(code: Iterable[Code]) -> str:
    """Return the `code_key` of a sweep's code without its files, which the user may edit while the sweep runs."""
    return code_key(code, contents=False)


def _entry(origin: Origin, code: Code) -> _Entry | None:
    try:
        content = _entry_file(origin, code).read_bytes()
    except OSError:
        return None
    entry = decode_or_none(msgspec.json.Decoder(_Entry).decode, content)
    same = entry is not None and (entry.kind, entry.name, entry.key, entry.value) == (
        origin.kind, origin.name, code.key, code.value,
    )  # fmt: skip
    return entry if same else None


def _entry_file(origin: Origin, code: Code) -> Path:
    import platformdirs

    identity = msgspec.json.encode((origin.kind, origin.name, code.key, code.value))
    folder = platformdirs.user_state_path("tuitrain", appauthor=False) / "trusted"
    return folder / f"{hashlib.sha256(identity).hexdigest()}.json"
