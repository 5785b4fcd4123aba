"""`tuitrain`: the app."""

import argparse


def run(options: argparse.Namespace) -> int:
    from tuitrain.app import open_app

    return open_app(options.runs_dir)
