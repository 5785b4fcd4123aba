"""Estimate the memory and the arithmetic of a training step, by running it with fake tensors."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from tuitrain.analysis.memory import StepEstimate
from tuitrain.config.schema import Config
from tuitrain.training.backward import AutogradBackward, Backward, build_backward
from tuitrain.training.estimate.fake import GpuAutocast, Shape, fake_setup, meta_model, prepare_optimizer
from tuitrain.training.estimate.live_storages import LiveStorages
from tuitrain.training.estimate.sizes import bytes_of, optimizer_state
from tuitrain.training.evaluation.evaluate import batch_size_on, compute_logits
from tuitrain.training.fine_tuning.features import computes_features_once
from tuitrain.training.fine_tuning.freeze import set_training_mode
from tuitrain.training.fine_tuning.head import head_names, network_in
from tuitrain.training.setup import Setup
from tuitrain.training.torch_internals import fake_tensors

# Optimizers with a fused kernel on GPUs. The others compute the updates of all weights before they apply them.
_FUSED_ON_GPUS = ("sgd", "adam", "adamw", "muon")


def estimate_step(config: Config, shape: Shape, classes: int, device: torch.device) -> StepEstimate:
    """Estimate a step of `config`, whose batch size is a number, on images of `shape` (C, H, W). Raises ConfigError if
    the network cannot be built, and anything if a user's network cannot compute with fake tensors."""
    model = meta_model(config, shape, classes)
    prepare_optimizer(config)
    with fake_tensors(), GpuAutocast() if device.type == "cuda" else nullcontext():
        return _estimate(fake_setup(config, shape, classes, model), device)


def _estimate(setup: Setup, device: torch.device) -> StepEstimate:
    config, parameters = setup.config, list(setup.model.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    weights, gradients = bytes_of(setup.model.state_dict().values()), bytes_of(trained)
    average = weights if config.training.ema else 0
    evaluation = _evaluation(setup, device)
    features = use_features(setup) if computes_features_once(setup) else 0
    step = _Step(setup, device, gradients, features)
    fixed = weights + average + step.state
    return StepEstimate(
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in trained),
        flops=step.flops * config.optimizer.accumulate,
        weights=weights,
        gradients=gradients,
        optimizer=step.state,
        average=average,
        inputs=step.inputs,
        activations=step.activations,
        training=weights + average + step.peak,
        # An evaluation with the averaged weights keeps a copy of the others.
        evaluation=fixed + average + evaluation,
        # Writing a checkpoint copies what it contains, to the main memory.
        checkpoint=fixed + (0 if device.type == "cuda" else fixed + gradients),
        features=features,
    )


class _Step:
    """The bytes of a step beside the weights, measured with the fake tensors of `setup` for a run on `device`."""

    def __init__(self, setup: Setup, device: torch.device, gradients: int, features: int) -> None:
        set_training_mode(setup.model, setup.config, frozen=not _all_train(setup.model))
        with LiveStorages(_tensors(setup.model)) as live:
            direct = device.type == "cpu" and not features
            backward = build_backward(setup) if direct else AutogradBackward(setup)
            before = live.total
            images, labels = _batch(setup, features)
            self.inputs = live.total - before
            self.activations = _differentiate(backward, images, labels, live)
            self.flops = live.flops
            if setup.config.optimizer.accumulate > 1:
                # The gradients of the first batch exist during the second one.
                _differentiate(backward, images, labels, live)
            step_peak = live.peak
            del images, labels
            live.restart_peak()
            setup.optimizer.step()
            self.state = bytes_of(optimizer_state(setup.optimizer))
            buffered = device.type == "cuda" and setup.config.optimizer.name not in _FUSED_ON_GPUS
            self.peak = max(step_peak + self.state, live.peak + gradients * buffered)


def _differentiate(backward: Backward, images: Tensor, labels: Tensor, live: LiveStorages) -> int:
    """Compute the gradients of a batch; return the bytes that the forward pass keeps for the backward pass."""
    before = live.total
    if not isinstance(backward, AutogradBackward):
        backward(images, labels, 1)
        return live.total - before
    loss, logits = backward.forward(images, labels)
    kept = live.total - before
    del logits
    backward.backward(loss)
    return kept


def _batch(setup: Setup, features: int) -> tuple[Tensor, Tensor]:
    """Return the inputs and the labels of a batch; the pixels are freed by then."""
    # Normalizing many images in portions takes minutes with fake tensors, and yields one tensor of this size.
    split, size = setup.dataset.train, setup.config.data.images_per_batch
    pixels, labels = next(split.batches(torch.arange(size), size))
    return (torch.empty(size, features), labels) if features else (torch.empty(pixels.shape), labels)


def _evaluation(setup: Setup, device: torch.device) -> int:
    """Return the bytes that the evaluation of a batch takes beside the weights."""
    shape = setup.dataset.shape
    setup.model.eval()
    with LiveStorages(_tensors(setup.model)) as live, torch.no_grad():
        images = torch.empty((batch_size_on(device, shape), *shape), dtype=torch.uint8)
        compute_logits(setup.model, images, setup.normalize, setup.autocast)
        peak: int = live.peak
    return peak


def use_features(setup: Setup) -> int:
    """Let the classifier alone train, as on features that are computed once; return their number per image."""
    network = network_in(setup.model)
    (path,) = head_names(network)
    head = network.get_submodule(path)
    assert isinstance(head, nn.Linear)
    setup.forward = head
    return int(head.in_features)


def _all_train(model: nn.Module) -> bool:
    return all(parameter.requires_grad for parameter in model.parameters())


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
