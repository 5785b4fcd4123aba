"""Decide which runs can be trained together as one stacked network."""

import msgspec

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.devices import is_distributed
from tuitrain.config.schema import Config, Finetune


def stacking_key(config: Config) -> Config | None:
    """Return a key that is equal for runs that can be stacked; None if the run cannot be stacked.

    Stacked runs may differ in seed, learning rate, weight decay and momentum. Dropout, batch normalization,
    fine-tuning, class weights, compilation, an average of the weights and a time limit rule out stacking, because the
    run would differ from the same run trained alone.
    """
    data, model, optimizer, training = config.data, config.model, config.optimizer, config.training
    stackable_model = model.name == "mlp" and not model.dropout and not model.batch_norm and not model.weights
    stackable_data = data.dataset in DATASETS and not data.augment and data.transform is None
    # The largest batch that fits may differ.
    stackable_data = stackable_data and data.batch_size != "auto"
    stackable_optimizer = optimizer.name != "muon" and optimizer.accumulate == 1 and optimizer.decay_norms
    # The stacked loss has no weights, which depend on the seed of each run.
    unweighted = training.class_weights == "none" and training.ema is None and config.finetune == Finetune()
    one_device = not is_distributed(config)
    stackable_training = (
        training.precision == "fp32" and training.max_minutes is None and unweighted and one_device
        and not training.compile
    )  # fmt: skip
    if not (stackable_model and stackable_data and stackable_optimizer and stackable_training):
        return None
    replace = msgspec.structs.replace
    return replace(
        config,
        optimizer=replace(optimizer, lr=1.0, weight_decay=0.0, momentum=0.0),
        training=replace(training, seed=0),
    )
