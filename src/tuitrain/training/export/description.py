"""Describe a network so completely that a stranger can prepare images for it and read its output."""

import msgspec
from msgspec import Struct, field

from tuitrain import __version__
from tuitrain.config.data.photo_datasets import reads_files
from tuitrain.config.exports import Values
from tuitrain.errors import RunError
from tuitrain.text import printable_json
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.decoding.image_file import draft_size
from tuitrain.training.data.image_folder import reader_for
from tuitrain.training.export.trained import Trained

_MEANING = (
    "logits: one number per image and class, in the order of classes; the largest is the prediction, and softmax turns"
    " them into probabilities"
)


class Images(Struct, kw_only=True):
    """How an image becomes an array: decode it in `mode`, with the transparency on white and upright, resize it, and
    compute `(pixel / value_range[1] - mean) / std` for each channel.

    `image_size` is [height, width]. `resize` is crop, squash or pad, or null if the images of the data set have this
    size. `mode` is that of Pillow, or null for other images. `jpeg_draft` is the size that Pillow's `Image.draft` gets.
    `deep_images` are the values that become 0 and 255 in images with more than 8 bits, by kind.
    """

    image_size: list[int]
    resize: str | None
    crop_fraction: float
    interpolation: str
    channels: int
    mode: str | None
    jpeg_draft: list[int] | None
    value_range: list[int] | None
    mean: list[float] | None
    std: list[float] | None
    deep_images: dict[str, tuple[float, float]] = {}


class Input(Struct, kw_only=True):
    """The input of the network: `values` is normalized, unit (0 to 1) or uint8 (the pixels)."""

    name: str = "images"
    shape: list[int | str]
    type: str
    values: Values


class Output(Struct, kw_only=True):
    name: str = "logits"
    shape: list[int | str]
    type: str = "float32"
    meaning: str = _MEANING


class Run(Struct, kw_only=True):
    id: str
    name: str
    checkpoint: str
    epoch: int
    step: int
    model: str
    parameters: int


class Test(Struct, kw_only=True):
    """The result on the test split."""

    images: int
    accuracy: float
    loss: float | None


class Description(Struct, kw_only=True):
    """The JSON file beside an exported network; it is the same for all formats."""

    classes: list[str]
    preprocessing: Images
    input: Input
    output: Output
    run: Run
    test: Test | None
    tuitrain: str = field(default=__version__)

    def to_json(self) -> bytes:
        return printable_json(msgspec.json.format(msgspec.json.encode(self)).decode()).encode() + b"\n"


def describe(trained: Trained, values: Values) -> Description:
    """Describe the network with an input of these `values`. Raises RunError if the run does not support them."""
    info, normalization = trained.info, trained.normalization
    channels, height, width = info.shape
    if values != "normalized" and normalization is None:
        raise RunError(f"The run does not record how its images were normalized, which --input {values} needs.")
    if values == "uint8" and normalization is not None and normalization.white == 1:
        raise RunError("--input uint8 needs pixels that are bytes, but those of the run are floats.", "Use unit.")
    batch: list[int | str] = ["batch"]
    evaluated = trained.test
    return Description(
        classes=info.classes,
        preprocessing=_images(trained),
        input=Input(
            shape=[*batch, channels, height, width], type="uint8" if values == "uint8" else "float32", values=values
        ),
        output=Output(shape=[*batch, len(info.classes)]),
        run=Run(
            id=trained.folder.id, name=info.name, checkpoint=trained.which, epoch=trained.epoch, step=trained.step,
            model=info.model, parameters=info.parameters,
        ),
        test=Test(images=len(evaluated.true) // 2, accuracy=evaluated.accuracy, loss=evaluated.loss)
        if evaluated
        else None,
    )  # fmt: skip


def _images(trained: Trained) -> Images:
    info, data = trained.info, trained.config.data
    channels, height, width = info.shape
    files = reads_files(data.dataset)
    # The files of a run are squares.
    read = reader_for(data, ImageReader(height, "L" if channels == 1 else "RGB"), info.weights)
    return Images(
        image_size=[height, width],
        resize=read.resize if files else None,
        crop_fraction=read.crop_fraction if files else 1.0,
        interpolation=read.interpolation,
        channels=channels,
        mode={1: "L", 3: "RGB"}.get(channels),
        jpeg_draft=list(draft_size(height)) if files else None,
        value_range=None if trained.white is None else [0, trained.white],
        mean=info.mean or None,
        std=info.std or None,
        deep_images=dict(info.value_ranges or {}),
    )
