"""The memory of a run, part by part, and whether it fits."""

from msgspec import Struct

from tuitrain.text import size, thousands

# The estimate is within 15 % of the measured peak: see benchmarks/memory_estimate.py. The allocator of a GPU loses some
# more to fragments.
MARGIN = 1.2
# Bytes that the libraries of a GPU allocate for themselves, such as cuBLAS's workspaces.
GPU_WORKSPACE = 256 * 2**20


class StepEstimate(Struct, frozen=True, kw_only=True):
    """The memory of a run in bytes, without the images of its splits, and the floating-point operations of a step.

    `weights` include the buffers of the network; `inputs` are the images of a batch. `activations` are what the forward
    pass keeps for the backward pass. `training` is the peak of a step: less than the sum of the parts if gradients
    replace activations. `evaluation` is the peak of an evaluation, `checkpoint` that of writing a checkpoint on the
    CPU. `features` are the values per image that a frozen network computes once for all epochs, 0 if it does not.
    """

    parameters: int
    trainable: int
    flops: int
    weights: int
    gradients: int
    optimizer: int
    average: int
    inputs: int
    activations: int
    training: int
    evaluation: int
    checkpoint: int
    features: int

    @property
    def peak(self) -> int:
        return max(self.training, self.evaluation, self.checkpoint)

    @property
    def temporaries(self) -> int:
        """What a step takes beyond the parts that the fields name."""
        parts = self.weights + self.gradients + self.optimizer + self.average + self.inputs + self.activations
        return max(0, self.training - parts)


class Need(Struct, frozen=True, kw_only=True):
    """The memory that a run needs on `device`, where `free` bytes are free; None: unknown. `images` are the bytes of
    its images that stay there. `batch_size` is the number of images per batch."""

    step: StepEstimate
    batch_size: int
    images: int
    device: str
    free: int | None

    @property
    def total(self) -> int:
        """Bytes, with the margin."""
        workspace = GPU_WORKSPACE if self.device.startswith("cuda") else 0
        return round(MARGIN * self.step.peak) + self.images + workspace

    @property
    def fits(self) -> bool:
        return self.free is None or self.total <= self.free

    def __str__(self) -> str:
        """Return `1.8 GB of 8.0 GB free on cuda:0`."""
        free = "" if self.free is None else f" of {size(self.free)} free"
        return f"{size(self.total)}{free} on {self.device}"


def operations(count: float) -> str:
    """Format a number of floating-point operations: `4.1 GFLOP`."""
    value, prefix = thousands(count)
    return f"{value:.1f} {prefix}FLOP"
