"""Train, watch and compare PyTorch image classifiers in a terminal."""

__version__ = "0.1.0"
