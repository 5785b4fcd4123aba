import pytest

from tuitrain.runs.catalog.result import metric
from tuitrain.runs.records import Best, Score, State

BEST = Best(3, 30, Score(0.25, 0.9), Score(0.3, 0.88))
FULL = State(status="finished", train=Score(0.01, 0.99), validation=Score(0.5, 0.81), test=Score(0.6, 0.8), best=BEST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train.loss", 0.01), ("train.accuracy", 0.99), ("validation.loss", 0.25), ("validation.accuracy", 0.9),
        ("test.loss", 0.6), ("test.accuracy", 0.8), ("best-test.loss", 0.3), ("best-test.accuracy", 0.88),
    ],
)  # fmt: skip
def test_a_metric_of_a_run_is_none_where_it_is_unknown(name: str, value: float) -> None:
    assert metric(FULL, name) == value
    assert metric(None, name) is None
    assert metric(State(status="finished"), name) is None
    assert metric(State(status="failed", train=FULL.train, test=FULL.test, best=BEST), name) is None
    assert metric(State(status="running", best=Best(3, 30, Score(None, 0.9))), name) == (
        0.9 if name == "validation.accuracy" else None
    )
