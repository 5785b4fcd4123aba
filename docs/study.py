"""Write docs/study.md, with its numbers and pictures, from the runs of a sweep.

    tuitrain sweep -c examples/optimizers-and-activations.toml
    uv run python docs/study.py runs

Use all finished runs of the folder, or those of one sweep.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from study_page.findings import effects, gradients, significance, times
from study_page.pictures import GRADIENTS, make_pictures
from study_page.results import comparison, conditions, results
from study_page.runs import Study, read_study
from tuitrain.errors import TuitrainError
from tuitrain.runs.sweeps.catalog import find_sweep

INTRODUCTION = """\
# The study: optimizer, activation, learning rate, epochs

<!-- Written by docs/study.py from the runs of a sweep: change those, not this page. -->

How much does each setting matter for a textbook network? Numbers and pictures come from the runs of one sweep:

    tuitrain sweep -c examples/optimizers-and-activations.toml
    uv run python docs/study.py runs"""
CURVES = """\
## The curves

Mean over the seeds, with a band of one standard deviation. The loss axis is logarithmic."""


def page(study: Study, pictures: Mapping[str, str]) -> str:
    """Return the page in Markdown; `pictures` maps file names to captions."""
    shown = {name: f"![{caption}](pictures/{name})" for name, caption in pictures.items()}
    last = [shown.pop(GRADIENTS)] if GRADIENTS in shown else []
    blocks = [
        INTRODUCTION, *conditions(study), *results(study), *comparison(study), *effects(study),
        *([CURVES, *shown.values()] if shown else []),
        *gradients(study), *last, *significance(study), *times(study),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs_dir", type=Path, help="the runs folder")
    parser.add_argument("sweep", nargs="?", help="id or name of a sweep, to use only its runs")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="folder to write the page to")
    options = parser.parse_args()
    try:
        study = read_study(options.runs_dir, find_sweep(options.runs_dir, options.sweep).id if options.sweep else "")
    except TuitrainError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    pictures = make_pictures(study, options.to / "pictures")
    (options.to / "study.md").write_text(page(study, pictures), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
