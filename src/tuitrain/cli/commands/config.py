"""`tuitrain config`: print all settings as a commented TOML file or as JSON."""

import argparse
import sys

from tuitrain.cli.output import print_json
from tuitrain.config.settings import settings
from tuitrain.config.toml import template


def run(options: argparse.Namespace) -> int:
    if options.json:
        print_json(
            [
                {
                    "key": item.key,
                    "type": f"list of {item.kind.__name__}" if item.is_list else item.kind.__name__,
                    "default": item.default,
                    "choices": item.choices or None,
                    "allowed": item.allowed,
                    "help": item.help,
                }
                for item in settings().values()
            ]
        )
    else:
        sys.stdout.write(template())
    return 0
