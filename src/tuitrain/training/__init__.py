"""Training. torch is loaded in this package alone."""

import os

# How long an OpenMP thread without work spins before it sleeps, read when torch is loaded. By default about a
# millisecond: beside another busy process it holds the core that the other half of its own work waits for. 1000 is
# libgomp's own choice where it knows of more threads than cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
