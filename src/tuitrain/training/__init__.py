"""Training. torch is loaded in this package alone."""

import gc
import os

# How long an OpenMP thread without work spins before it sleeps, read when torch is loaded. By default about a
# millisecond: beside another busy process it holds the core that the other half of its own work waits for. 1000 is
# libgomp's own choice where it knows of more threads than cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _load_torch() -> None:
    """Its objects live as long as the process. Looking for garbage among them would lengthen loading by a tenth, take a
    third of a second when the process ends, and hold the screen up in between."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401

        gc.freeze()
    finally:
        if collecting:
            gc.enable()


_load_torch()
