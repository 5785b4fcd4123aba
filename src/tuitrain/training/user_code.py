"""Load the user's functions and classes from Python files, and name the lines that fail."""

import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tuitrain.config.code import file_of, hint, read_source, sha256
from tuitrain.errors import DataError, TuitrainError
from tuitrain.text import plain

# The exceptions to report from the user's code; ctrl+c raises KeyboardInterrupt.
FAILURES = (Exception, SystemExit)
# The modules of files that were run in this process, by path, with the digest of their content.
_modules: dict[str, tuple[str, ModuleType]] = {}
# The files that were run or failed to, by path.
_started: set[str] = set()


def forget_modules() -> None:
    """Forget all modules, so that the next run executes its files again and sees no variables of an earlier run."""
    _modules.clear()


def load_function(spec: str, key: str) -> Callable[..., Any]:
    """Return the function or class that `spec`, FILE.py:NAME in the setting `key`, names. Raise DataError."""
    file, colon, name = spec.rpartition(":")
    if not (file and colon and name.isidentifier()):
        raise DataError(f"{key} '{plain(spec)}' is not of the form FILE.py:NAME.", hint(key))
    module = _module(file_of(spec), key)
    if name not in module.__dict__:
        raise DataError(f"{plain(file)} does not define {plain(name)}.", hint(key))
    function = module.__dict__[name]
    if not callable(function):
        kind = type(function).__name__
        raise DataError(f"{plain(name)} in {plain(file)} is a {kind}, not a function.", hint(key))
    return function  # type: ignore[no-any-return]


def _module(file: str, key: str) -> ModuleType:
    """Return the module of a file, which may import modules from its folder. Run it once as long as its content stays
    the same. Compile it here, so that Python writes no cache next to it."""
    source = read_source(file, key)
    digest, path = sha256(source), Path(file)
    known = _modules.get(file)
    if known and known[0] == digest:
        return known[1]
    module = ModuleType(f"tuitrain_user_{path.stem}_{digest[:8]}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # Dataclasses look up their module there.
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # At the end, so that its files hide no other module.
    # Error messages quote the lines that run, which may be those of a run's copy.
    _started.add(file)
    linecache.cache[file] = (len(source), None, source.decode("utf-8", "replace").splitlines(keepends=True), file)
    with explained(f"Running {plain(file)} for {key}", DataError, "Correct it and start again."):
        exec(compile(source, file, "exec"), module.__dict__)
    _modules[file] = digest, module
    return module


@contextmanager
def explained(what: str, kind: type[TuitrainError], advice: str = "") -> Iterator[None]:
    """Turn whatever the user's code raises into an error of this `kind`: "`what` raised …", with the user's line."""
    try:
        yield
    except TuitrainError:
        raise
    except FAILURES as error:
        raise kind(f"{what} raised {describe(error)}.", advice) from error


def describe(error: BaseException) -> str:
    """Return the kind and message of an exception, and the last line of the user's code that led to it, if any."""
    text = plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 300)
    return f"{text.rstrip('.')}{line_of(error)}"


def line_of(error: BaseException) -> str:
    """Return the last line of the user's code that led to an exception, as ` (FILE.py, line 12: x = y)`, or an empty
    string."""
    if isinstance(error, SyntaxError) and error.filename in linecache.cache and error.lineno:
        place = (error.filename, error.lineno)
    else:
        frames = traceback.walk_tb(error.__traceback__)
        places = [(frame.f_code.co_filename, line) for frame, line in frames if _is_users(frame.f_code.co_filename)]
        if not places:
            return ""
        place = places[-1]
    source = linecache.getline(*place).strip()
    return f" ({plain(Path(place[0]).name, 80)}, line {place[1]}: {plain(source, 120)})"


def _is_users(file: str) -> bool:
    """Return whether a file is one that `load_function` has run, or a module beside it."""
    folder = Path(file).parent
    return any(folder == Path(known).parent for known in _started)


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, object], what: str) -> None:
    """Raise DataError if the function does not accept these keyword arguments."""
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise DataError(
            f"{what} cannot be called with {', '.join(arguments)}: {plain(error)}{_definition(function)}.",
            "Let it accept exactly these keyword arguments, or add **others.",
        ) from None
    except ValueError:
        return  # A builtin without a signature: calling it shows whether it fits.


def _definition(function: Callable[..., Any]) -> str:
    """Return where a function or class is defined, as ` (FILE.py, line 12: def f():)`, or an empty string."""
    target = function.__init__ if inspect.isclass(function) else function
    code = getattr(inspect.unwrap(target), "__code__", None)
    if code is None or not _is_users(code.co_filename):
        return ""
    source = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return f" ({plain(Path(code.co_filename).name, 80)}, line {code.co_firstlineno}: {plain(source, 120)})"
