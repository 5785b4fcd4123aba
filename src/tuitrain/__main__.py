"""Run the command `tuitrain` as `python -m tuitrain`."""

from tuitrain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
