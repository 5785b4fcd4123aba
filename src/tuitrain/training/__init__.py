"""Training with PyTorch; no other package imports torch at module level."""

import gc
import os

# How often an idle OpenMP thread checks for work before it sleeps; libgomp reads this when torch is imported. The
# default spins for about a millisecond, which on a shared machine takes the core that another thread waits for. 1000 is
# libgomp's own value for more threads than cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Let torch ask Linux for pages of 2 MB in tensors of at least that size. A batch of 64 photos is allocated anew in each
# step, and most of the time for it went into faults of its 9,400 small pages.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _import_torch() -> None:
    """Import torch without garbage collection, and exclude its objects from later collections.

    They live as long as the process. Collecting among them makes the import a tenth slower, the exit of the process a
    third of a second, and the screen stutter in between.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401

        gc.freeze()
    finally:
        if collecting:
            gc.enable()


_import_torch()
