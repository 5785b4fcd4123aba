"""Load torch's shared libraries without blocking the screen, and check that this process can load them."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from tuitrain.errors import RunError

# Same libraries, order and flags as in torch/__init__.py; the last one depends on all others.
LIBRARIES = (("libtorch_global_deps.so", os.RTLD_GLOBAL), ("libtorch_python.so", os.RTLD_LOCAL))


def check_working_folder() -> None:
    """Raise RunError if the working folder has been deleted, because oneMKL, which torch loads, would end the
    process."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        raise RunError("The working folder has been deleted.", "Change to another folder first: cd ~") from None


def load_libraries() -> None:
    """Load the libraries by ctypes, which releases the GIL; `import torch` would block all threads for a second. Do
    nothing if torch is loaded already, or if the libraries are not found."""
    torch = find_spec("torch") if sys.platform == "linux" and "torch" not in sys.modules else None
    if torch is None or torch.origin is None:
        return
    import ctypes

    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, scope in LIBRARIES:
        path = Path(torch.origin).with_name("lib") / name
        if path.is_file():
            load(os.fsencode(path), os.RTLD_NOW | scope)
