"""Measure at some steps how much each layer changes and what its units pass on.

Weights that change by a millionth per step do not learn, weights that change by a tenth overshoot, and a unit whose
ReLU is zero for all images has no gradient.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tuitrain.runs.rows import PerLayer
from tuitrain.training.optim.norms import Layers, short, trainable
from tuitrain.training.setup import Setup
from tuitrain.training.torch_internals import Convolution

# Step 50 reveals a learning rate that is too high while there is time to change it. Measuring takes as long as up to
# ten steps of a small network.
FIRST, EVERY = 50, 500
# Images of the batch, and weights of each layer, that are measured. The units of a layer are interchangeable, so the
# first ones stand for all.
IMAGES, WEIGHTS = 64, 2**16
RELUS = (nn.ReLU, nn.ReLU6)
ACTIVATIONS = (*RELUS, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish)


class LayerMeter:
    """Measures the layers of a run. Call `before_step`; if it returns true, call `measure` after the step."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._before: list[Tensor] = []

    def before_step(self, step: int) -> bool:
        """Return whether `step` is to be measured, and copy the weights if it is."""
        due = step == FIRST or step % EVERY == 0
        self._before = [part.clone() for part in self._weights()] if due else []
        return due

    @torch.no_grad()
    def measure(self, inputs: Tensor) -> dict[str, PerLayer]:
        """Return the columns of a `rows.LayerStatistics` row for the inputs of the network in this step, (N, …). This
        waits for the device."""
        values = torch.cat((self._update_ratios()[:, None], self._outputs(inputs[:IMAGES])), dim=1)  # (L, 4)
        self._before = []
        columns = zip(("update_ratio", "mean", "std", "dead"), values.T.tolist(), strict=True)
        return {name: tuple(map(short, column)) for name, column in columns}

    def _weights(self) -> list[Tensor]:
        """Return the first weights of each layer."""
        weights = [next(p.detach() for p in parameters if p.ndim >= 2) for _, parameters in self._setup.layers]
        return [weight[: max(1, WEIGHTS // weight[0].numel())] for weight in weights]

    def _update_ratios(self) -> Tensor:
        """Return the norm of each layer's change divided by that of its weights, (L,) float32; NaN for a layer that is
        frozen or was zero."""
        pairs = zip(self._before, self._weights(), strict=True)
        ratios = torch.stack([(new.float() - old.float()).norm() / old.float().norm() for old, new in pairs])
        known = torch.tensor(trainable(self._setup.layers), device=ratios.device) & ratios.isfinite()
        return torch.where(known, ratios, torch.nan)

    def _outputs(self, inputs: Tensor) -> Tensor:
        """Return mean, standard deviation and share of dead units of what each layer passes on, (L, 3) float32; NaN
        where unknown."""
        setup = self._setup
        modes = [(module, module.training) for module in setup.model.modules()]
        # In eval mode, nothing is drawn at random and batch normalization keeps its statistics.
        setup.model.eval()
        try:
            with _recorded(setup.model, setup.layers) as records, setup.autocast():
                setup.forward(inputs)
        finally:
            for module, training in modes:
                module.training = training
        unknown = torch.full((3,), torch.nan, device=inputs.device)
        return torch.stack([records.get(path, unknown) for path, _ in setup.layers])


@contextmanager
def _recorded(model: nn.Module, layers: Layers) -> Iterator[dict[str, Tensor]]:
    """Gather the `_statistics` of each layer, by its path, from the forward passes in the body of the `with` statement.
    An activation replaces those of the layer that ran before it."""
    records: dict[str, Tensor] = {}
    current, units = "", 1

    def after_layer(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(module: nn.Module, _: object, output: object) -> None:
            nonlocal current, units
            current, units = path, 1 if isinstance(module, Convolution) else -1
            if isinstance(output, Tensor):
                records[path] = _statistics(output, units, relu=False)

        return record

    def after_activation(module: nn.Module, _: object, output: Tensor) -> None:
        if current:
            records[current] = _statistics(output, units, relu=isinstance(module, RELUS))

    paths = {path for path, _ in layers}
    handles = [
        module.register_forward_hook(after_layer(path) if path in paths else after_activation)
        for path, module in model.named_modules()
        if path in paths or isinstance(module, ACTIVATIONS)
    ]
    try:
        yield records
    finally:
        for handle in handles:
            handle.remove()


def _statistics(output: Tensor, units: int, *, relu: bool) -> Tensor:
    """Return mean, standard deviation and share of dead units, (3,) float32. `units` is the dimension of the units."""
    output = output.detach().float()
    largest = output.movedim(units, 0).flatten(1).amax(1)
    dead = (largest <= 0).float().mean() if relu else torch.full_like(largest[0], torch.nan)
    return torch.stack((output.mean(), output.std(correction=0), dead))
