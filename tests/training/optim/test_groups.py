import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.training import models
from tuitrain.training.optim.groups import SCALE, describe_rates, parameter_groups

NETWORK = ("model.hidden=[8, 4]", "optimizer.lr=0.1")


@pytest.mark.parametrize(
    ("settings", "rates", "words"),
    [
        ([], {0.1}, ""),
        (["finetune.head_lr=5"], {0.1, 0.5}, "0.5 in the classifier"),
        (
            ["finetune.layer_decay=0.5", "finetune.head_lr=5"],
            {0.025, 0.05, 0.5},
            "0.025 in the first layer to 0.05 in the last one, 0.5 in the classifier",
        ),
        (["model.hidden=[]", "finetune.layer_decay=0.5"], {0.1}, ""),
    ],
)
def test_words_name_the_learning_rates_of_the_groups(settings: list[str], rates: set[float], words: str) -> None:
    config = override(Config(), (*NETWORK, *settings))
    with torch.device("meta"):
        model = models.build(config.model, (1, 8, 8), 10)
    assert {group[SCALE] * config.optimizer.lr for group in parameter_groups(config, model)} == rates
    assert describe_rates(config, model) == words
