"""`tuitrain lr-find`: find a learning rate by a range test."""

import argparse
import sys
from math import log10

from tuitrain.analysis import units
from tuitrain.cli.commands.train import given_config
from tuitrain.cli.output import print_json, print_message, progress
from tuitrain.hosts.lr_find import RangeTest, find_learning_rate
from tuitrain.text import utf8_locale

WIDTH, HEIGHT = 70, 16


def run(options: argparse.Namespace) -> int:
    config, _ = given_config(options)
    with progress() as show:
        found = find_learning_rate(config, options.runs_dir, show)
    if options.json:
        print_json({"suggestion": found.suggestion, "rates": found.rates, "losses": found.losses})
    elif found.rates:
        sys.stdout.write(chart(found) + "\n")
    if found.suggestion is None:
        print_message("The loss did not fall at any learning rate: no suggestion.")
        return 1
    if not options.json:
        rate = units.number(found.suggestion)
        sys.stdout.write(f"suggested learning rate {rate}: --set optimizer.lr={rate}\n")
    return 0


def chart(found: RangeTest) -> str:
    # Imports Rich and plotext.
    from tuitrain.widgets.charts.line import Line
    from tuitrain.widgets.charts.render import draw

    line = Line("", [log10(rate) for rate in found.rates], list(found.losses), (128, 128, 128))
    drawn = draw([line], WIDTH, HEIGHT, braille=utf8_locale())
    return f"loss over the logarithm (base 10) of the learning rate\n{drawn.plain}"
