"""The command line."""


def main() -> int:
    """The console script."""
    return 0
