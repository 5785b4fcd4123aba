"""Train PyTorch image classifiers from a terminal: configure, watch, leave, come back, compare."""

__version__ = "0.1.0"
