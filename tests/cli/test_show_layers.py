"""`tuitrain show --layers`."""

import json
from collections.abc import Callable

import pytest

from tuitrain.cli import main
from tuitrain.runs.follower import Follower


def test_a_layer_that_does_not_learn_is_named(
    train: Callable[..., Follower], capfd: pytest.CaptureFixture[str]
) -> None:
    sigmoids = ("model.hidden=[16,16,16,16,16,16]", "model.activation=sigmoid")
    folder = train(*sigmoids, "optimizer.name=sgd", "training.epochs=3").folder
    capfd.readouterr()
    assert main(["show", str(folder.path), "--layers", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["layer_problem"].startswith("layers.0 does not learn: it changes by")
    assert len(document["layers"]) == 7
    assert main(["show", str(folder.path), "--layers"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == document["layer_problem"]
