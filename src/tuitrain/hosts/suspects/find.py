"""Find the images of a run whose label is likely wrong, and those that its data set has twice."""

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from tuitrain.analysis.images.duplicates import SIDE, find_duplicates
from tuitrain.analysis.images.neighbours import nearest_others
from tuitrain.analysis.images.suspects import NEIGHBOURS, combined, neighbour_probabilities, score_labels
from tuitrain.errors import DataError, RunError
from tuitrain.hosts.explain.explainer import loaded
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.suspects.report import Image, Pair, Report, Suspect
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.label_check import LabelCheck, write_label_check
from tuitrain.runs.records import ACTIVE
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.training.data.dataset import Dataset
    from tuitrain.training.inspect_images import Inspected

SPLITS = ("training", "validation", "test")


def find_suspects(
    folder: RunFolder, which: str, device: str, progress: ProgressCallback, *, trust: bool = False
) -> Report:
    """Compare all images of a run by the network of the checkpoint `which`, last or best. Raise TuitrainError if the
    run, its data or the checkpoint is missing or invalid, or if its code is not allowed."""
    with loaded(folder, which, device, progress, None, trust=trust) as setup:
        from tuitrain.training.inspect_images import inspect_split
        from tuitrain.training.user_code import explained

        splits = dict(zip(SPLITS, (setup.dataset.train, setup.dataset.validation, setup.dataset.test), strict=True))
        with explained("The network", RunError):
            found = {name: inspect_split(setup, split, SIDE, name, progress) for name, split in splits.items() if split}
        report = _report(found, setup.dataset, progress)
        _store(folder, report, setup.dataset)
        return report


def _store(folder: RunFolder, report: Report, dataset: "Dataset") -> None:
    """Store the number of labels that are likely wrong, for the verdict on a run that has ended."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    fingerprints = {name: split.fingerprint for name, split in splits.items() if split}
    check = LabelCheck(sum(each.wrong for each in report.suspects), len(report.suspects), fingerprints)
    # A read-only run folder must not prevent the report.
    with suppress(OSError, RunError):
        if shown_status(folder.state()) not in ACTIVE:
            write_label_check(folder, check)


def _report(found: "dict[str, Inspected]", dataset: "Dataset", progress: ProgressCallback) -> Report:
    parts = list(found.values())
    labels = np.concatenate([part.labels for part in parts])
    if len(labels) < 2:
        raise DataError("The data set has too few images to compare.")
    features = np.concatenate([part.features for part in parts])
    splits = np.repeat([SPLITS.index(name) for name in found], [len(part.labels) for part in parts])
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(f"finding similar images: {done:,} of {len(labels):,}", done / len(labels))

    rows, similarities = nearest_others(features, NEIGHBOURS, advance)
    own = neighbour_probabilities(labels, rows, similarities, len(dataset.classes))
    network = np.concatenate([part.probabilities for part in parts])
    scores = score_labels(combined(own, network, splits != SPLITS.index("training")), labels)
    thumbnails = np.concatenate([part.thumbnails for part in parts])
    digests = [digest for part in parts for digest in part.digests]
    images = _images(found, dataset)
    pairs = find_duplicates(rows, similarities, thumbnails, digests, splits, labels)
    return Report(
        tuple(map(plain, dataset.classes)),
        tuple(
            Suspect(
                images[row],
                int(scores.suggested[row]),
                float(scores.probability[row]),
                float(scores.margin[row]),
                bool(scores.wrong[row]),
            )
            for row in scores.ranking.tolist()
        ),
        tuple(Pair(images[pair.first], images[pair.second], pair.exact, pair.similarity) for pair in pairs),
    )


def _images(found: "dict[str, Inspected]", dataset: "Dataset") -> list[Image]:
    from tuitrain.training.evaluation.evaluate import image_names

    images = []
    for name, part in found.items():
        split = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}[name]
        assert split is not None
        files = image_names(split, dataset) if split.files else [""] * len(split)
        # JSON and CSV in UTF-8 cannot hold other bytes of a file name.
        files = [file.encode(errors="surrogateescape").decode(errors="replace") for file in files]
        images += [Image(name, row, file, int(part.labels[row])) for row, file in enumerate(files)]
    return images
