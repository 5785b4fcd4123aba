"""Write a model card in the format of the Hugging Face hub: a README.md whose front matter is YAML.

All names come from the user or the data set: YAML gets them as JSON strings, which YAML reads alike, and Markdown with
its special characters escaped.
"""

import json
from collections.abc import Iterator, Sequence

import numpy as np

from tuitrain import __version__
from tuitrain.analysis import units
from tuitrain.analysis.metrics.compute import balanced_accuracy, macro_f1
from tuitrain.config.code import COMMAND
from tuitrain.config.formatting import format_value
from tuitrain.config.networks import TIMM
from tuitrain.config.values import changed_settings
from tuitrain.runs.records import Evaluation
from tuitrain.text import markdown_text, plain
from tuitrain.training.export.description import Description
from tuitrain.training.export.loading import loading
from tuitrain.training.export.trained import Trained

LIBRARIES = {"onnx": "onnx", "torch-export": "pytorch", "safetensors": "pytorch"}
_LICENSES = "https://huggingface.co/docs/hub/repositories-licenses"
# Classes listed by name.
_LISTED = 100
# Settings that say something about the machine, not about the network.
_PRIVATE = (COMMAND, "data.dir", "data.cache_gb", "data.workers", "training.threads", "training.log_every")


def card(trained: Trained, description: Description, format: str, file: str, *, folder: bool) -> bytes:
    """Return the card of an export `file`; with `folder`, a whole folder was exported, which timm may open."""
    opens_with_timm = folder and format == "safetensors" and trained.config.model.name.startswith(TIMM)
    parts = [
        _front_matter(trained, "timm" if opens_with_timm else LIBRARIES[format]),
        f"# {markdown_text(trained.info.name or trained.folder.id, 100)}\n",
        *_about(trained),
        "## Results\n",
        *_results(trained),
        "## How to use it\n",
        *loading(description, format, file, timm=opens_with_timm),
        "## Training\n",
        *_training(trained),
        "## Limits\n",
        *_limits(trained),
    ]
    return ("\n".join(parts) + "\n").encode()


def _front_matter(trained: Trained, library: str) -> str:
    tags = dict.fromkeys(["image-classification", library, "tuitrain"])
    lines = [
        "---",
        f"# Choose the license of your network: {_LICENSES}",
        "license: unknown",
        f"library_name: {library}",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "metrics:",
        "- accuracy",
    ]
    if trained.test:
        lines += [
            "model-index:",
            f"- name: {_yaml(trained.info.name or trained.folder.id)}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            f"      name: {_yaml(_dataset(trained))}",
            f"      type: {_yaml(_dataset(trained))}",
            "      split: test",
            "    metrics:",
            "    - type: accuracy",
            f"      value: {trained.test.accuracy:.6f}",
        ]
    return "\n".join([*lines, "---", ""])


def _yaml(text: str) -> str:
    return json.dumps(plain(text, 200), ensure_ascii=False)


def _dataset(trained: Trained) -> str:
    """Return the name of the data set: that of its folder for the user's own images."""
    data = trained.config.data
    name = data.dir if data.dataset == "image-folder" and data.dir else data.dataset
    return _without_folders(name) or data.dataset


def _without_folders(text: str) -> str:
    return text if text.startswith(TIMM) else text.rstrip("/").rpartition("/")[2]


def _about(trained: Trained) -> Iterator[str]:
    info = trained.info
    channels, height, width = info.shape
    color = {1: "grayscale", 3: "RGB"}.get(channels, f"{channels}-channel")
    yield (
        f"An image classifier with {len(info.classes):,} classes: {markdown_text(info.model)} with"
        f" {info.parameters:,} parameters, for {color} images of {height}x{width} pixels. Trained with tuitrain on"
        f" {markdown_text(_dataset(trained), 100)}.\n"
    )
    if info.notes:
        yield f"Notes: {markdown_text(info.notes, 2000)}\n"
    names = ", ".join(markdown_text(name, 80) for name in info.classes[:_LISTED])
    more = len(info.classes) - _LISTED
    yield f"Classes, in the order of the logits: {names}{f' and {more:,} more' if more > 0 else ''}.\n"


def _results(trained: Trained) -> Iterator[str]:
    if trained.test is None:
        yield "These weights were not evaluated on a test split.\n"
        return
    test, confusion = trained.test, np.array(trained.test.confusion)
    rows = [("accuracy", units.percent(test.accuracy)), ("macro-F1", units.percent(macro_f1(confusion)))]
    rows += [("balanced accuracy", units.percent(balanced_accuracy(confusion)))]
    rows += [("loss", f"{test.loss:.4f}")] if test.loss is not None else []
    images = int(confusion.sum())
    yield f"On the test split, {images:,} images that influenced neither training nor the choice of the checkpoint:\n"
    yield _table(("metric", "value"), rows)
    if len(test.classes) <= _LISTED:
        yield _table(("class", "images", "precision", "recall"), list(_by_class(test)))


def _by_class(test: Evaluation) -> Iterator[tuple[str, str, str, str]]:
    predicted = [sum(column) for column in zip(*test.confusion, strict=True)]
    for index, (name, row) in enumerate(zip(test.classes, test.confusion, strict=True)):
        right = row[index]
        precision, recall = (units.percent(right / count) if count else "-" for count in (predicted[index], sum(row)))
        yield name, f"{sum(row):,}", precision, recall


def _training(trained: Trained) -> Iterator[str]:
    info = trained.info
    images = " · ".join(f"{count:,} {split}" for split, count in info.sizes.items())
    which = "best by validation" if trained.which == "best" else "last"
    facts = [
        f"Run {markdown_text(trained.folder.id)}, {which} checkpoint: epoch {trained.epoch}, step {trained.step:,}",
        f"Images: {images}",
        f"Trained on {markdown_text(info.device or 'an unknown device')} with tuitrain {__version__}"
        f" and PyTorch {markdown_text(info.versions.get('torch', 'of an unknown version'))}",
    ]
    if info.weights:
        facts.append(
            f"Initial weights: {markdown_text(info.weights.file)}, SHA-256 {markdown_text(info.weights.sha256)}"
        )
    if trained.config.training.ema:
        facts.append("The weights are an exponential average over the steps")
    yield "".join(f"- {fact}\n" for fact in facts)
    changed = {key: value for key, value in changed_settings(trained.config).items() if key not in _PRIVATE}
    if changed:
        yield "Settings that differ from the defaults:\n"
        rows = [(key, _without_folders(format_value(value))) for key, value in changed.items()]
        yield _table(("setting", "value"), rows)


def _limits(trained: Trained) -> Iterator[str]:
    limits = [
        "The network assigns every image to one of its classes, also an image of something else",
        "Its accuracy on other images, such as those of another camera or place, may be lower",
        "Its probabilities are not calibrated",
        "The licenses of the training images and of the initial weights may restrict the use of the network",
    ]
    limits += [f"Data: {markdown_text(note)}" for note in trained.info.data_notes]
    yield "".join(f"- {limit}\n" for limit in limits)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([markdown_text(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
