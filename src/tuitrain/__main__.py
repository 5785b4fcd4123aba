"""Run the command `tuitrain` as `python -m tuitrain`."""

import os
import sys
from contextlib import suppress

# `python -m` imports from the working folder first, which may contain a msgspec.py or a torch.py.
with suppress(OSError):
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109
        del sys.path[0]

from tuitrain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
