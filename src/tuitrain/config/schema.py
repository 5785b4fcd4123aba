"""Every setting of a run, declared once.

The form, `--set`, TOML files, validation and the docs page all read these declarations through
`tuitrain.config.settings`. `Meta(description=…)` is the help text and `ge`, `gt`, `le`, `lt` are the range. A `Literal`
lists the choices. `| None` allows `none`, `| Auto` allows `auto`. In such a type or a list, the range belongs to the
element. Text with a `pattern` describes it in `extra`: `choices` are listed values, `others` describes the others.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tuitrain.config.data.schema import Auto, Data, Fraction
from tuitrain.config.device_list import DEVICES, DEVICES_WORDS
from tuitrain.config.networks import FILE_NAME, NETWORKS, TIMM_NAME

Activation = Literal["relu", "sigmoid", "tanh", "leaky-relu", "gelu", "silu", "elu"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"]
ScheduleName = Literal["constant", "step", "exponential", "cosine", "one-cycle", "plateau"]
# The validation metrics that can select the best epoch.
Goal = Literal["loss", "accuracy", "macro-f1", "balanced-accuracy"]
Precision = Literal["fp32", "bf16", "fp16"]
Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
Folds = Annotated[int, Meta(ge=2, le=100)]
DeviceList = Annotated[str, Meta(pattern=DEVICES, extra=DEVICES_WORDS)]
Width = Annotated[int, Meta(ge=1, le=65536)]
Threads = Annotated[int, Meta(ge=1, le=1024)]
# With this many epochs, the number of steps still fits the integers of every file format.
MAX_EPOCHS = 10**9


class Model(Struct, frozen=True, kw_only=True):
    """Model: network architecture."""

    name: Annotated[
        str,
        Meta(
            pattern=rf"^({'|'.join(map(re.escape, NETWORKS))}|{TIMM_NAME}|{FILE_NAME})\Z",
            description="Architecture: the built-in mlp and cnn, a network of torchvision, timm/NAME, or FILE.py:NAME,"
            " your own function or class",
            extra={"choices": NETWORKS, "others": "timm/NAME, FILE.py:NAME"},
        ),
    ] = "mlp"
    weights: Annotated[
        str | None,
        Meta(description="Initial weights: pretrained (on ImageNet), a file, or run:NAME; none: random"),
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
    dropout: Annotated[
        float, Meta(ge=0, lt=1, description="Dropout probability in mlp, cnn, and before timm's classifier")
    ] = 0.0
    batch_norm: Annotated[bool, Meta(description="Batch normalization before each activation of mlp and cnn")] = False
    args: Annotated[
        str,
        Meta(
            description="Keyword arguments of your own network FILE.py:NAME, a table; model.args.NAME sets one",
        ),
    ] = "{}"


class Finetune(Struct, frozen=True, kw_only=True):
    """Fine-tuning: how pretrained weights train."""

    freeze: Annotated[
        Literal["none", "backbone"],
        Meta(description="Weights that do not train; backbone: all but the classifier, a linear probe"),
    ] = "none"
    freeze_epochs: Annotated[
        int, Meta(ge=0, le=MAX_EPOCHS, description="Number of first epochs in which only the classifier trains")
    ] = 0
    layer_decay: Annotated[
        float,
        Meta(gt=0, le=1, description="Ratio of the learning rate of each layer to that of the layer above it"),
    ] = 1.0
    head_lr: Annotated[float, Meta(gt=0, description="Factor that multiplies the learning rate of the classifier")] = (
        1.0
    )
    freeze_norms: Annotated[
        bool, Meta(description="Keep the pretrained statistics of batch normalization; better for small data sets")
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
    decay_norms: Annotated[bool, Meta(description="Also apply weight decay to biases and normalization layers")] = True
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
        Meta(description="Number of runs of a cross-validation, each holding out another fold; none: one run"),
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
            description="Device to train on; auto: the freest GPU, otherwise mps, otherwise cpu",
            extra={"others": "auto, cpu, cuda, cuda:0 to cuda:99 or mps"},
        ),
    ] = "auto"
    devices: Annotated[
        DeviceList | None,
        Meta(description="Devices that share each batch: a number, all, or GPUs such as 0,1; none: training.device"),
    ] = None
    nodes: Annotated[
        int,
        Meta(ge=1, le=64, description="Machines that share each batch; each uses training.devices, or one device"),
    ] = 1
    precision: Annotated[
        Precision, Meta(description="Floating-point precision; bf16 and fp16 use autocast with fp32 weights")
    ] = "fp32"
    checkpointing: Annotated[
        bool,
        Meta(description="Recompute activations in the backward pass instead of keeping them: less memory, slower"),
    ] = False
    compile: Annotated[
        bool, Meta(description="Compile the network with torch.compile, which takes up to minutes at the start")
    ] = False
    label_smoothing: Annotated[
        float,
        Meta(ge=0, lt=1, description="Label smoothing, which raises the training loss; evaluations are not smoothed"),
    ] = 0.0
    ema: Annotated[
        Fraction | None,
        Meta(description="Decay of the averaged weights that evaluations use, 0.999 for example; none: no average"),
    ] = None
    class_weights: Annotated[
        Literal["none", "balanced"],
        Meta(description="Class weights of the training loss; balanced: images / (classes * images of the class)"),
    ] = "none"
    log_every: Annotated[
        Count | Auto,
        Meta(description="Steps between two rows of training metrics; auto: 4 to 100, about 20 rows per epoch"),
    ] = "auto"
    max_minutes: Annotated[
        Positive | None, Meta(description="Minutes of training after which the run finishes; none: no limit")
    ] = None
    best: Annotated[Goal, Meta(description="Validation metric that selects the best epoch")] = "loss"
    patience: Annotated[
        Count | None,
        Meta(description="Epochs without an improvement of training.best before the run stops early; none: never"),
    ] = None
    min_delta: Annotated[float, Meta(ge=0, le=1e38, description="Smallest improvement that resets patience")] = 0.0
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
