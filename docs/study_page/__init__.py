"""The parts of docs/study.py."""
