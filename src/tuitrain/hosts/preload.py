"""torch's shared libraries, loaded without holding up the screen."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

# As torch loads them itself, and in that order; the last brings all others.
LIBRARIES = (("libtorch_global_deps.so", os.RTLD_GLOBAL), ("libtorch_python.so", os.RTLD_LOCAL))


def load_libraries() -> None:
    """Python's import would hold all other threads up for a second while the system loads them; a call through ctypes
    does not. Where they are not found, that is left to the import."""
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
