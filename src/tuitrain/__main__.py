"""`python -m tuitrain` is the command `tuitrain`."""

from tuitrain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
