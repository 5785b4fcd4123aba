"""Declare the settings of the data; `tuitrain.config.schema` explains the form of the declarations."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.folds import FOLD, FOLD_WORDS
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.networks import FILE_NAME

DATASET_NAMES = (*DATASETS, *PHOTO_DATASETS, "image-folder")
Augmentation = Literal[
    "auto", "shift", "flip", "crop", "random-resized-crop", "rotate", "vertical-flip", "color", "randaugment",
    "trivialaugment", "erase", "mixup", "cutmix",
]  # fmt: skip
Resize = Literal["crop", "squash", "pad"]
Auto = Literal["auto"]
FoldName = Annotated[str, Meta(pattern=FOLD, extra=FOLD_WORDS)]
# Within the range of float32.
Value = Annotated[float, Meta(ge=-1e38, le=1e38)]
Workers = Annotated[int, Meta(ge=0, le=256)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Size = Annotated[int, Meta(ge=4, le=1024)]
BatchSize = Annotated[int, Meta(ge=1)]
# The limits of an automatic batch size, and of the steps that an epoch then has: larger batches hardly use a GPU
# better, and train less per epoch.
MAX_AUTO_BATCH, MIN_STEPS = 1024, 20


class Data(Struct, frozen=True, kw_only=True):
    """Data: images, splits and batches."""

    dataset: Annotated[
        str,
        Meta(
            pattern=rf"^({'|'.join(map(re.escape, DATASET_NAMES))}|{FILE_NAME})\Z",
            description="Data set to train on; image-folder reads your own images from data.dir, FILE.py:NAME calls"
            " your own function",
            extra={"choices": DATASET_NAMES, "others": "FILE.py:NAME"},
        ),
    ] = "digits"
    dir: Annotated[
        str | None,
        Meta(description="Folder of the data set, which is downloaded if missing; none: tuitrain's cache folder"),
    ] = None
    layout: Annotated[
        Literal["auto", "classes", "splits"],
        Meta(description="Whether image-folder's folders are classes or splits; auto: splits if their names say so"),
    ] = "auto"
    labels: Annotated[
        str | None,
        Meta(description="CSV file with the labels of image-folder's images, if class folders do not give them"),
    ] = None
    group: Annotated[
        str | None,
        Meta(
            description="Column of data.labels whose groups, such as patients, stay in one split; none: found by name"
        ),
    ] = None
    exclude: Annotated[
        str | None,
        Meta(description="CSV file whose column file names images of image-folder to leave out; none: all are used"),
    ] = None
    split_by: Annotated[
        Literal["path", "position"],
        Meta(
            description="Choose held-out image-folder images by a hash of their path, or by position as in older runs"
        ),
    ] = "path"
    batch_size: Annotated[
        BatchSize | Auto,
        Meta(
            description=f"Images per batch; auto: as many as fit into the memory, up to {MAX_AUTO_BATCH} and"
            f" 1/{MIN_STEPS} of the training images"
        ),
    ] = 64
    sampler: Annotated[
        Literal["shuffle", "balanced"],
        Meta(description="Images per epoch; shuffle: each once; balanced: each class equally often, with replacement"),
    ] = "shuffle"
    fraction: Annotated[float, Meta(gt=0, le=1, description="Fraction of each class's training images to train on")] = (
        1.0
    )
    fold: Annotated[FoldName | None, Meta(description="Fold of the training split to hold out for validation")] = None
    validation: Annotated[
        float,
        Meta(ge=0, lt=1, description="Fraction of the training split held out for validation, stratified by class"),
    ] = 0.1
    normalize: Annotated[
        bool,
        Meta(description="Normalize as the pretrained weights expect, else by the training images; false: keep [0, 1]"),
    ] = True
    augment: Annotated[
        tuple[Augmentation, ...],
        Meta(description="Random transforms of training images; auto: the usual ones for the data set"),
    ] = ()
    crop_scale: Annotated[
        float, Meta(gt=0, le=1, description="Smallest fraction of the image's area that random-resized-crop keeps")
    ] = 0.08
    rotate_degrees: Annotated[
        float, Meta(gt=0, le=180, description="Largest angle of rotate in degrees, in both directions")
    ] = 15.0
    color_strength: Annotated[
        float, Meta(gt=0, le=1, description="Largest relative change of brightness, contrast and saturation by color")
    ] = 0.4
    randaugment_magnitude: Annotated[
        int, Meta(ge=0, le=30, description="Strength of the random operations of randaugment")
    ] = 9
    erase_probability: Annotated[
        float, Meta(gt=0, le=1, description="Probability that erase covers a rectangle of an image")
    ] = 0.25
    mixup_alpha: Annotated[
        float, Meta(ge=0.05, le=100, description="Beta parameter of mixup; larger values mix images more evenly")
    ] = 0.2
    cutmix_alpha: Annotated[
        float,
        Meta(
            ge=0.05,
            le=100,
            description="Beta parameter of cutmix; larger values mix images more evenly",
        ),
    ] = 1.0
    image_size: Annotated[
        Size | Auto,
        Meta(description="Height and width to resize images to; auto: that of the pretrained or timm network, else 64"),
    ] = "auto"
    resize_builtin: Annotated[
        bool,
        Meta(
            description="Resize built-in images to data.image_size, for auto only with weights; false: keep their size"
        ),
    ] = True
    resize: Annotated[
        Resize,
        Meta(description="How image files become squares: cropped to the middle, squashed, or padded with black bars"),
    ] = "crop"
    channels: Annotated[
        Literal["auto", "grey", "rgb"],
        Meta(description="Color mode of image files; auto: grey if all of them are grey"),
    ] = "auto"
    value_range: Annotated[
        tuple[Value, ...],
        Meta(description="LOW,HIGH become black and white in images beyond 8 bits; []: from the training images"),
    ] = ()
    storage: Annotated[
        Literal["auto", "memory", "cache", "stream"],
        Meta(description="Where to keep decoded images; auto: in memory if they fit, else in the cache, else nowhere"),
    ] = "auto"
    cache_gb: Annotated[
        float,
        Meta(
            ge=0, le=1e6, description="Largest size in GB of the cache of decoded images and features on this machine"
        ),
    ] = 20.0
    workers: Annotated[
        Workers | None,
        Meta(description="Processes that load streamed images; none: chosen by device and CPU cores"),
    ] = None
    transform: Annotated[
        str | None,
        Meta(description="Function FILE.py:NAME applied to each training batch (N, C, H, W); must keep its shape"),
    ] = None

    @property
    def images_per_batch(self) -> int:
        """`batch_size` as a number, which training sets in place of auto before its first step."""
        assert self.batch_size != "auto"
        return self.batch_size

    @property
    def mixes_labels(self) -> bool:
        """Whether training images can be mixtures of two classes."""
        return "mixup" in self.augment or "cutmix" in self.augment
