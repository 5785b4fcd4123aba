"""Freeze and unfreeze the pretrained part of a network."""

from torch import nn

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.training.fine_tuning.head import head_names, is_in, network_in
from tuitrain.training.torch_internals import BatchNorm


def is_frozen(config: Config, epoch: int) -> bool:
    """Return whether only the classifier trains in `epoch`, counted from 0."""
    return config.finetune.freeze == "backbone" or epoch < config.finetune.freeze_epochs


def trains_backbone(config: Config) -> bool:
    """Return whether all weights train in the last epoch, which takes the most memory."""
    return not is_frozen(config, config.training.epochs - 1)


def freeze_backbone(model: nn.Module) -> None:
    """Exclude all parameters but those of the classifier from training. Raises ConfigError if there are no others."""
    network = network_in(model)
    heads = head_names(network)
    backbone = [parameter for name, parameter in network.named_parameters() if not is_in(name, heads)]
    if not backbone:
        raise ConfigError(
            "finetune.freeze: the network has no layers before its classifier.",
            "Set finetune.freeze to none and finetune.freeze_epochs to 0.",
            key="finetune.freeze",
        )
    for parameter in backbone:
        parameter.requires_grad_(False)


def dropout_before(network: nn.Module, path: str) -> list[nn.Module]:
    """Return the dropout that is defined directly before the classifier at `path`, if any."""
    leaves = [module for module in network.modules() if not any(module.children())]
    index = leaves.index(network.get_submodule(path))
    return [module for module in leaves[max(index - 1, 0) : index] if isinstance(module, nn.Dropout)]


def set_training_mode(model: nn.Module, config: Config, *, frozen: bool) -> None:
    """Put `model` into training mode, except for a frozen backbone and, with `finetune.freeze_norms`,
    pretrained batch normalization."""
    model.train()
    if frozen:
        network = network_in(model)
        heads = head_names(network)
        for path, module in network.named_modules():
            if not is_in(f"{path}.", heads):
                # Not `eval()`, which includes the classifier inside the module.
                module.training = False
        for dropout in (dropout for path in heads for dropout in dropout_before(network, path)):
            dropout.train()
    elif config.model.weights and config.finetune.freeze_norms:
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.eval()
