"""List the images of each class and split that a configuration describes."""

from collections.abc import Callable

from tuitrain.config.data.datasets import data_folder
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.class_folders import scan_class_folders
from tuitrain.image_folder.exclude import exclude
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.labelled import assign_groups_and_splits, scan_labelled
from tuitrain.image_folder.labels import read_files, read_labels
from tuitrain.image_folder.named import scan_named
from tuitrain.text import plain


def scan(config: Data, stop: Callable[[], bool] = lambda: False) -> ImageFolder:
    """List all images except those in `data.exclude`. Raise DataError if classes or splits are ambiguous,
    or if one has no images.

    Once `stop`, called for every file, returns True, the scan ends early, and nothing counts as missing.
    """
    found = _scan_all(config, stop)
    if config.exclude is not None and config.dataset not in PHOTO_DATASETS:
        exclude(found, read_files(data_folder(config.exclude), "data.exclude"), data_folder(config.dir), stop)
    return found


def _scan_all(config: Data, stop: Callable[[], bool]) -> ImageFolder:
    if config.dataset in PHOTO_DATASETS:
        return scan_named(config, stop)
    if config.dir is None:
        raise DataError("image-folder needs the folder of your images.", "Set data.dir to it.")
    if config.group is not None and config.labels is None:
        raise DataError("data.group is a column of data.labels, which is none.", "Set data.labels to a CSV file.")
    folder = data_folder(config.dir)
    labels = read_labels(data_folder(config.labels), config.group) if config.labels else None
    try:
        if labels and "label" in labels.columns:
            return scan_labelled(folder, labels, config.layout, stop)
        found = scan_class_folders(folder, config.layout, stop)
        if labels:
            assign_groups_and_splits(found, labels, folder)
    except OSError as error:
        name, reason = plain(error.filename), plain(error.strerror)
        raise DataError(
            f"The folder {name} cannot be read: {reason}.", "Check its permissions, or set data.dir."
        ) from error
    return found
