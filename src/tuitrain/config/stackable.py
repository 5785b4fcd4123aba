"""Which runs can be trained together: those that differ in numbers only."""

import msgspec

from tuitrain.config.schema import Config


def stacking_key(config: Config) -> Config | None:
    """The same for all runs that can be trained together; None for a run that is trained alone.

    They may differ in seed, learning rate, weight decay and momentum. A network that draws random numbers or keeps
    figures of its batches would not be the same in a stack as alone, and neither would a run that ends by the clock.
    """
    data, model, optimizer, training = config.data, config.model, config.optimizer, config.training
    network = model.name == "mlp" and not model.dropout and not model.batch_norm
    images = data.dataset != "image-folder" and not data.augment and data.transform is None
    update = optimizer.name != "muon" and optimizer.accumulate == 1
    if not (network and images and update and training.precision == "fp32" and training.max_minutes is None):
        return None
    replace = msgspec.structs.replace
    return replace(
        config,
        optimizer=replace(optimizer, lr=1.0, weight_decay=0.0, momentum=0.0),
        training=replace(training, seed=0),
    )
