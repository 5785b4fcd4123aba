"""Every setting of a run, declared once.

The form, `--set`, TOML files, validation and the docs page all read these declarations through
`tuitrain.config.settings`. `Meta(description=…)` is the help text and `ge`, `gt`, `le`, `lt` are the range. A `Literal`
lists the choices. `| None` allows `none`, `| Auto` allows `auto`. In such a type or a list, the range belongs to the
element. Text with a `pattern` describes it in `extra`: `choices` are listed values, `others` describes the others.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tuitrain.config.datasets import DATASETS
from tuitrain.config.folds import FOLD, FOLD_WORDS
from tuitrain.config.networks import FILE_NAME, NETWORKS, TIMM_NAME
from tuitrain.config.photo_datasets import PHOTO_DATASETS

DATASET_NAMES = (*DATASETS, *PHOTO_DATASETS, "image-folder")
Augmentation = Literal[
    "auto", "shift", "flip", "crop", "random-resized-crop", "rotate", "vertical-flip", "color", "randaugment",
    "trivialaugment", "erase", "mixup", "cutmix",
]  # fmt: skip
Resize = Literal["crop", "squash", "pad"]
Activation = Literal["relu", "sigmoid", "tanh", "leaky-relu", "gelu", "silu", "elu"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"]
ScheduleName = Literal["constant", "step", "exponential", "cosine", "one-cycle", "plateau"]
Auto = Literal["auto"]
# What selects the best epoch on the validation split.
Goal = Literal["loss", "accuracy", "macro-f1", "balanced-accuracy"]
Precision = Literal["fp32", "bf16", "fp16"]
Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
Folds = Annotated[int, Meta(ge=2, le=100)]
FoldName = Annotated[str, Meta(pattern=FOLD, extra=FOLD_WORDS)]
Width = Annotated[int, Meta(ge=1, le=65536)]
# Within the range of float32.
Value = Annotated[float, Meta(ge=-1e38, le=1e38)]
Workers = Annotated[int, Meta(ge=0, le=256)]
Threads = Annotated[int, Meta(ge=1, le=1024)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Size = Annotated[int, Meta(ge=4, le=1024)]
# With this many epochs, the number of steps still fits the integers of every file format.
MAX_EPOCHS = 10**9


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
    split_by: Annotated[
        Literal["path", "position"],
        Meta(
            description="Choose held-out image-folder images by a hash of their path, or by position as in older runs"
        ),
    ] = "path"
    batch_size: Annotated[int, Meta(ge=1, description="Images per batch")] = 64
    sampler: Annotated[
        Literal["shuffle", "balanced"],
        Meta(description="Images of an epoch: each once, or with balanced each class equally often, with replacement"),
    ] = "shuffle"
    fraction: Annotated[float, Meta(gt=0, le=1, description="Fraction of the training split, of every class")] = 1.0
    fold: Annotated[FoldName | None, Meta(description="Fold of the training split to hold out for validation")] = None
    validation: Annotated[
        float,
        Meta(ge=0, lt=1, description="Fraction of the training split held out for validation, stratified by class"),
    ] = 0.1
    normalize: Annotated[
        bool,
        Meta(description="Normalize as pretrained weights expect, else by the training mean; false: pixels in [0, 1]"),
    ] = True
    augment: Annotated[
        tuple[Augmentation, ...],
        Meta(description="Random transforms of training images; auto: the usual ones for the data set"),
    ] = ()
    crop_scale: Annotated[
        float, Meta(gt=0, le=1, description="Smallest part of the image's area in a random-resized-crop")
    ] = 0.08
    rotate_degrees: Annotated[float, Meta(gt=0, le=180, description="Largest angle of rotate, in both directions")] = (
        15.0
    )
    color_strength: Annotated[
        float, Meta(gt=0, le=1, description="Largest relative change of brightness, contrast and saturation by color")
    ] = 0.4
    randaugment_magnitude: Annotated[
        int, Meta(ge=0, le=30, description="Strength of the two random operations of randaugment")
    ] = 9
    erase_probability: Annotated[
        float, Meta(gt=0, le=1, description="Probability that erase paints over a rectangle of an image")
    ] = 0.25
    mixup_alpha: Annotated[
        float, Meta(ge=0.05, le=100, description="Beta parameter of mixup; larger values mix images more evenly")
    ] = 0.2
    cutmix_alpha: Annotated[
        float,
        Meta(ge=0.05, le=100, description="Beta parameter of cutmix; larger values make more rectangles middle-sized"),
    ] = 1.0
    image_size: Annotated[
        Size | Auto,
        Meta(description="Height and width to resize images to; auto: that of a pretrained or timm network, else 64"),
    ] = "auto"
    resize: Annotated[
        Resize,
        Meta(description="How image-folder images become squares: the middle, squashed, or whole between black bars"),
    ] = "crop"
    channels: Annotated[
        Literal["auto", "grey", "rgb"],
        Meta(description="Color mode of image-folder images; auto: grey if all of them are grey"),
    ] = "auto"
    value_range: Annotated[
        tuple[Value, ...],
        Meta(description="LOW,HIGH become black and white in images beyond 8 bits; []: from the training images"),
    ] = ()
    storage: Annotated[
        Literal["auto", "memory", "cache", "stream"],
        Meta(description="Keep decoded image-folder images in memory, in a cache file, or nowhere; auto: as they fit"),
    ] = "auto"
    cache_gb: Annotated[
        float, Meta(ge=0, le=1e6, description="Largest size of the cache of decoded images on this machine, in GB")
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
    def mixes_labels(self) -> bool:
        """Whether an image of a training batch may have parts of two classes."""
        return "mixup" in self.augment or "cutmix" in self.augment


class Model(Struct, frozen=True, kw_only=True):
    """Model: network architecture."""

    name: Annotated[
        str,
        Meta(
            pattern=rf"^({'|'.join(map(re.escape, NETWORKS))}|{TIMM_NAME}|{FILE_NAME})\Z",
            description="Architecture: our own mlp and cnn, one of torchvision, timm/NAME, one of timm, or"
            " FILE.py:NAME, your own function or class",
            extra={"choices": NETWORKS, "others": "timm/NAME, FILE.py:NAME"},
        ),
    ] = "mlp"
    weights: Annotated[
        str | None,
        Meta(description="Initial weights: pretrained (on ImageNet), a file or run:NAME; none: random"),
    ] = None
    hidden: Annotated[tuple[Width, ...], Meta(description="Widths of the mlp's hidden layers; []: no hidden layer")] = (
        128,
        256,
    )
    channels: Annotated[
        tuple[Width, ...],
        Meta(description="Channels of the cnn's stages, each halving the image; []: 16, 32, 64, 128 by image size"),
    ] = ()
    convolutions: Annotated[int, Meta(ge=1, le=8, description="Convolutions per stage of the cnn")] = 2
    activation: Annotated[Activation, Meta(description="Activation function; replaces ReLU in torchvision models")] = (
        "relu"
    )
    dropout: Annotated[float, Meta(ge=0, lt=1, description="Dropout probability in mlp and cnn")] = 0.0
    batch_norm: Annotated[bool, Meta(description="Batch normalization before each activation of mlp and cnn")] = False
    args: Annotated[
        str,
        Meta(
            description="Table [model.args] of keyword arguments for your own network FILE.py:NAME; model.args.NAME"
            " sets one",
        ),
    ] = "{}"


class Finetune(Struct, frozen=True, kw_only=True):
    """Fine-tuning: how pretrained weights train."""

    freeze: Annotated[
        Literal["none", "backbone"],
        Meta(description="Weights that never change; backbone: all but the classifier, a linear probe"),
    ] = "none"
    freeze_epochs: Annotated[
        int, Meta(ge=0, le=MAX_EPOCHS, description="First epochs in which only the classifier trains")
    ] = 0
    layer_decay: Annotated[
        float, Meta(gt=0, le=1, description="Factor of the learning rate from each layer to the one below it")
    ] = 1.0
    head_lr: Annotated[float, Meta(gt=0, description="Factor of the learning rate of the classifier")] = 1.0
    freeze_norms: Annotated[
        bool, Meta(description="Keep the statistics of pretrained batch normalization; better for small data sets")
    ] = True


class Optimizer(Struct, frozen=True, kw_only=True):
    """Optimizer: how gradients update the weights."""

    name: Annotated[
        OptimizerName, Meta(description="Optimizer; muon applies to weight matrices, adamw to all other parameters")
    ] = "adam"
    lr: Annotated[float, Meta(gt=0, description="Learning rate; with a schedule, its peak")] = 0.001
    momentum: Annotated[
        float, Meta(ge=0, lt=1, description="Momentum factor of sgd, rmsprop and muon (0.95 is usual for muon)")
    ] = 0.0
    nesterov: Annotated[bool, Meta(description="Nesterov momentum for sgd and muon; needs a momentum above 0")] = False
    weight_decay: Annotated[
        float, Meta(ge=0, description="Weight decay as an L2 penalty; decoupled from the gradient in adamw and muon")
    ] = 0.0
    decay_norms: Annotated[bool, Meta(description="Apply weight decay to biases and normalization layers, too")] = True
    beta1: Annotated[
        float, Meta(ge=0, lt=1, description="Decay rate of the running mean of the gradient in the adam family")
    ] = 0.9
    beta2: Annotated[
        float, Meta(ge=0, lt=1, description="Decay rate of the running mean of the squared gradient in the adam family")
    ] = 0.999
    clip_norm: Annotated[
        Positive | None, Meta(description="Maximum norm of the gradient of all parameters; none: no clipping")
    ] = None
    accumulate: Annotated[int, Meta(ge=1, description="Batches whose gradients are averaged for one step")] = 1


class Schedule(Struct, frozen=True, kw_only=True):
    """Schedule: learning rate over the run."""

    name: Annotated[ScheduleName, Meta(description="Shape of the learning rate over the run")] = "constant"
    warmup: Annotated[
        float,
        Meta(ge=0, description="Epochs of linear warm-up; for one-cycle, of its rise (0: 30 % of the run)"),
    ] = 0.0
    every: Annotated[float, Meta(gt=0, description="Epochs between two drops of the step schedule")] = 10.0
    gamma: Annotated[float, Meta(gt=0, le=1, description="Factor of each drop of the step and plateau schedules")] = 0.1
    patience: Annotated[
        int, Meta(ge=0, description="Epochs without an improvement of training.best before the plateau schedule drops")
    ] = 3
    final: Annotated[
        float,
        Meta(ge=0, le=1, description="Final learning rate as a fraction of the peak: exponential, cosine, one-cycle"),
    ] = 0.01


class Training(Struct, frozen=True, kw_only=True):
    """Training: duration, device and precision."""

    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS, description="Passes over the training split")] = 10
    folds: Annotated[
        Folds | None,
        Meta(description="Runs of a cross-validation, each of which holds out another fold; none: one run"),
    ] = None
    seed: Annotated[
        int,
        Meta(ge=0, le=2**63 - 1, description="Random seed of splits, initial weights, batch order and augmentation"),
    ] = 0
    device: Annotated[
        str,
        # torch reads larger device numbers as other devices.
        Meta(
            pattern=r"^(auto|cpu|mps|cuda(:(0|[1-9][0-9]?))?)\Z",
            description="Device to train on; auto: cuda, otherwise mps, otherwise cpu",
            extra={"others": "auto, cpu, cuda, cuda:0 to cuda:99 or mps"},
        ),
    ] = "auto"
    precision: Annotated[
        Precision, Meta(description="Floating-point precision; bf16 and fp16 use autocast with fp32 weights")
    ] = "fp32"
    label_smoothing: Annotated[
        float,
        Meta(ge=0, lt=1, description="Label smoothing, which raises the training loss; evaluations are not smoothed"),
    ] = 0.0
    ema: Annotated[
        Fraction | None,
        Meta(description="Decay of an average of the weights, 0.999 for example, which is evaluated; none: no average"),
    ] = None
    class_weights: Annotated[
        Literal["none", "balanced"],
        Meta(description="Weights of the training loss; balanced: images / (classes * images of the class)"),
    ] = "none"
    log_every: Annotated[
        Count | Auto,
        Meta(description="Steps between two rows of training metrics; auto: up to 100, at least 20 rows per epoch"),
    ] = "auto"
    max_minutes: Annotated[
        Positive | None, Meta(description="Minutes of training after which the run finishes; none: no limit")
    ] = None
    best: Annotated[Goal, Meta(description="Metric of the validation split that selects the best epoch")] = "loss"
    patience: Annotated[
        Count | None,
        Meta(description="Epochs without an improvement of training.best before the run stops early; none: never"),
    ] = None
    min_delta: Annotated[float, Meta(ge=0, le=1e38, description="Smallest improvement that patience counts")] = 0.0
    checkpoint_every: Annotated[
        float, Meta(gt=0, description="Seconds between checkpoints within an epoch; each epoch also ends with one")
    ] = 30.0
    threads: Annotated[
        Threads | None, Meta(description="CPU threads of the training loop; none: cores - 1, between 1 and 4")
    ] = None
    deterministic: Annotated[bool, Meta(description="Use deterministic kernels only, which is slower on CUDA")] = False


class Evaluation(Struct, frozen=True, kw_only=True):
    """Evaluation: when to evaluate the splits, in addition to validation after each epoch."""

    test_every: Annotated[
        int, Meta(ge=0, description="Epochs between evaluations of the test split; 0: only at the end")
    ] = 0
    at_start: Annotated[bool, Meta(description="Also evaluate the validation split before the first step")] = False


class Notify(Struct, frozen=True, kw_only=True):
    """Notify: command to run at the end."""

    command: Annotated[
        str | None,
        Meta(description="Shell command to run when the run ends, with its result as JSON on standard input"),
    ] = None


class Config(Struct, frozen=True, kw_only=True):
    """All settings of a run."""

    data: Data = Data()
    model: Model = Model()
    finetune: Finetune = Finetune()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    notify: Notify = Notify()
