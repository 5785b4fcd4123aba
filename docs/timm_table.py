"""Write src/tuitrain/config/timm_models.csv: parameters, image size and ImageNet accuracy of timm's networks.

    uv run python docs/timm_table.py results-imagenet.csv

The accuracies are those of results/results-imagenet.csv in the repository huggingface/pytorch-image-models, which
timm's package does not contain: the higher one where a model was evaluated at two image sizes. Building all networks
takes some ten minutes.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import timm
import torch

from tuitrain.config.networks import timm_names

TABLE = Path(__file__).parents[1] / "src/tuitrain/config/timm_models.csv"


def accuracies(path: str) -> dict[str, float]:
    """Return the top-1 accuracy in percent by model name with tag."""
    best: dict[str, float] = {}
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            best[row["model"]] = max(best.get(row["model"], 0.0), float(row["top1"]))
    return best


def row(name: str, known: dict[str, float]) -> list[object]:
    with torch.device("meta"):
        model = timm.create_model(name)
    config: Any = model.pretrained_cfg
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    accuracy = known.get(f"{name}.{config.get('tag')}", "")
    return [name, f"{millions:.1f}", config["input_size"][1], accuracy and f"{accuracy:.1f}"]


if __name__ == "__main__":
    found = accuracies(sys.argv[1])
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "parameters", "size", "accuracy"))
        writer.writerows(row(name, found) for name in timm_names())
