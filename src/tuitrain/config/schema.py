"""Every setting, declared once.

The form, `--set`, TOML files, validation and the docs page all come from these declarations, through
`tuitrain.config.settings`. `Meta(description=…)` is the help; `ge`, `gt`, `le`, `lt` are the range; a `Literal`
lists the choices; `| None` means that `none` is allowed; a range below `| None` or in a tuple is its element's.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Dataset = Literal["digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "image-folder"]
Augmentation = Literal["auto", "shift", "flip", "crop"]
ModelName = Literal[
    "mlp", "cnn", "resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "alexnet", "vgg11_bn",
    "vgg16_bn", "squeezenet1_1", "densenet121", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf",
    "regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t", "maxvit_t",
]  # fmt: skip
Activation = Literal["relu", "sigmoid", "tanh", "leaky-relu", "gelu", "silu", "elu"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"]
ScheduleName = Literal["constant", "step", "exponential", "cosine", "one-cycle", "plateau"]
Precision = Literal["fp32", "bf16", "fp16"]
Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
Width = Annotated[int, Meta(ge=1, le=65536)]
Workers = Annotated[int, Meta(ge=0, le=256)]
Threads = Annotated[int, Meta(ge=1, le=1024)]
# More than anyone trains; the steps of so many are still a number that every file can hold.
MAX_EPOCHS = 10**9


class Data(Struct, frozen=True, kw_only=True):
    """Data: the images, how they are split and how they are fed."""

    dataset: Annotated[Dataset, Meta(description="the images to learn from; image-folder is a folder of your own")] = (
        "digits"
    )
    dir: Annotated[
        str | None,
        Meta(description="folder the data set lies in or is downloaded to; none: the user's cache folder"),
    ] = None
    batch_size: Annotated[int, Meta(ge=1, description="images a mini-batch")] = 64
    validation: Annotated[
        float,
        Meta(ge=0, lt=1, description="fraction of the training split held out to steer by, stratified; 0: none"),
    ] = 0.1
    normalize: Annotated[
        bool,
        Meta(description="subtract the training split's mean and divide by its deviation; false: pixels in [0, 1]"),
    ] = True
    augment: Annotated[
        tuple[Augmentation, ...],
        Meta(description="random changes to training images; auto: what suits the data set"),
    ] = ()
    image_size: Annotated[int, Meta(ge=4, le=1024, description="side in pixels that image-folder resizes to")] = 64
    channels: Annotated[
        Literal["auto", "grey", "rgb"],
        Meta(description="how image-folder reads its images; auto: grey where all looked at are grey"),
    ] = "auto"
    storage: Annotated[
        Literal["auto", "memory", "stream"],
        Meta(description="hold image-folder as tensors on the device, or read it as it goes; auto: what fits"),
    ] = "auto"
    workers: Annotated[
        Workers | None, Meta(description="processes that read a streamed data set; none: by device and cores")
    ] = None
    transform: Annotated[
        str | None,
        Meta(
            description="your own function FILE.py:NAME, called with each training batch (N, C, H, W) as it goes"
            " into the model; returns a batch of the same shape"
        ),
    ] = None


class Model(Struct, frozen=True, kw_only=True):
    """Model: the network."""

    name: Annotated[ModelName, Meta(description="the architecture; all but mlp and cnn are torchvision's")] = "mlp"
    hidden: Annotated[tuple[Width, ...], Meta(description="widths of the mlp's hidden layers; []: none")] = (
        128,
        256,
    )
    channels: Annotated[
        tuple[Width, ...],
        Meta(
            description="channels of the cnn's stages, each of which halves the image; []: 16, 32, 64, 128 by its size"
        ),
    ] = ()
    convolutions: Annotated[int, Meta(ge=1, le=8, description="convolutions in each stage of the cnn")] = 2
    activation: Annotated[
        Activation, Meta(description="the non-linearity; takes the place of ReLU in torchvision's models")
    ] = "relu"
    dropout: Annotated[float, Meta(ge=0, lt=1, description="fraction of units dropped while training, mlp and cnn")] = (
        0.0
    )
    batch_norm: Annotated[bool, Meta(description="batch normalisation before each activation of mlp and cnn")] = False


class Optimizer(Struct, frozen=True, kw_only=True):
    """Optimizer: how gradients change the weights."""

    name: Annotated[
        OptimizerName, Meta(description="the update rule; muon: for weight matrices, adamw for the rest")
    ] = "adam"
    lr: Annotated[float, Meta(gt=0, description="learning rate, the peak where there is a schedule")] = 0.001
    momentum: Annotated[float, Meta(ge=0, lt=1, description="of sgd, rmsprop and muon (0.95 is usual there)")] = 0.0
    nesterov: Annotated[bool, Meta(description="Nesterov's momentum, sgd and muon; needs a momentum")] = False
    weight_decay: Annotated[
        float, Meta(ge=0, description="L2 penalty; decoupled from the gradient in adamw and muon")
    ] = 0.0
    beta1: Annotated[float, Meta(ge=0, lt=1, description="decay of the first moment, the adam family")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="decay of the second moment, the adam family")] = 0.999
    clip_norm: Annotated[
        Positive | None, Meta(description="largest norm of all gradients together; none: no clipping")
    ] = None
    accumulate: Annotated[int, Meta(ge=1, description="mini-batches whose gradients are averaged for one step")] = 1


class Schedule(Struct, frozen=True, kw_only=True):
    """Schedule: how the learning rate moves."""

    name: Annotated[ScheduleName, Meta(description="the shape of the learning rate over the run")] = "constant"
    warmup: Annotated[
        float,
        Meta(
            ge=0,
            description="epochs of linear warm-up, fractions too; one-cycle: of its rise, 0: 30 % of the run",
        ),
    ] = 0.0
    every: Annotated[float, Meta(gt=0, description="epochs between two drops of step")] = 10.0
    gamma: Annotated[float, Meta(gt=0, le=1, description="factor of a drop, step and plateau")] = 0.1
    patience: Annotated[int, Meta(ge=0, description="epochs without a better validation loss before plateau drops")] = 3
    final: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="last learning rate as a fraction of the peak: exponential, cosine, one-cycle",
        ),
    ] = 0.01


class Training(Struct, frozen=True, kw_only=True):
    """Training: how long, where and in which precision."""

    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS, description="passes over the training split")] = 10
    seed: Annotated[
        int,
        Meta(ge=0, le=2**63 - 1, description="of the splits, the first weights, the order and the augmentation"),
    ] = 0
    device: Annotated[
        str,
        # torch takes larger numbers for other devices.
        Meta(pattern=r"^(auto|cpu|mps|cuda(:(0|[1-9][0-9]?))?)\Z", description="auto: cuda, else mps, else cpu"),
    ] = "auto"
    precision: Annotated[Precision, Meta(description="bf16 and fp16 are autocast; weights stay fp32")] = "fp32"
    label_smoothing: Annotated[float, Meta(ge=0, lt=1, description="of the training loss alone")] = 0.0
    log_every: Annotated[int, Meta(ge=1, description="steps between two train rows")] = 100
    max_minutes: Annotated[
        Positive | None, Meta(description="training time after which the run ends; none: no limit")
    ] = None
    patience: Annotated[
        Count | None,
        Meta(description="epochs without a better validation loss before the run ends; none: all epochs"),
    ] = None
    checkpoint_every: Annotated[
        float,
        Meta(gt=0, description="seconds after which a checkpoint is saved in mid-epoch; each epoch's end saves one"),
    ] = 30.0
    threads: Annotated[Threads | None, Meta(description="CPU threads of the loop; none: cores - 1, from 1 to 4")] = None
    deterministic: Annotated[
        bool, Meta(description="only deterministic kernels, also on CUDA, where that is slower")
    ] = False


class Evaluation(Struct, frozen=True, kw_only=True):
    """Evaluation: when the test split is looked at."""

    test_every: Annotated[
        int, Meta(ge=0, description="epochs between two looks at the test split; 0: only at the end")
    ] = 0


class Notify(Struct, frozen=True, kw_only=True):
    """Notify: who hears of the end."""

    command: Annotated[
        str | None,
        Meta(description="shell command run when the run has ended, with its result as JSON on standard input"),
    ] = None


class Config(Struct, frozen=True, kw_only=True):
    """All that a run needs to be run again."""

    data: Data = Data()
    model: Model = Model()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    notify: Notify = Notify()
