from array import array
from math import nan
from pathlib import Path

import pytest

from tuitrain.analysis.health import problems
from tuitrain.analysis.layers import LayerState, layer_problem, layer_states
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower, LayerColumns
from written_runs import add_row

HEALTHY = 0.001


def run(updates: list[float], dead: list[float] | None = None, *settings: str) -> Follower:
    follower = Follower(RunFolder(Path("nowhere")))
    follower.config = override(follower.config, settings)
    follower.info.layers = ["first", "second\x1b[2J", "head"]
    add_row(follower.layer_steps, 50)
    columns = {"update_ratio": updates, "mean": [0.5, 0.5, 0.0], "std": [1.0, 1.0, 2.0], "dead": dead or [0, 0, nan]}
    for name, values in columns.items():
        follower.layer_statistics[name] = LayerColumns(array("d", [nan, value]) for value in values)
    return follower


def test_the_states_are_the_latest_and_safe_to_show() -> None:
    assert layer_states(run([0.1, nan, 0.3], [0.25, 0.5, nan])) == [
        LayerState("first", 0.1, 0.5, 1.0, 0.25),
        LayerState("second�[2J", None, 0.5, 1.0, 0.5),
        LayerState("head", 0.3, 0.0, 2.0, None),
    ]
    assert layer_states(Follower(RunFolder(Path("nowhere")))) == []


@pytest.mark.parametrize(
    ("updates", "dead", "says"),
    [
        ([HEALTHY] * 3, [0.79, 0.0, nan], ""),
        ([HEALTHY] * 3, [0.2, 0.8, nan], "dead ReLUs: 80.00 % of the units of second�[2J are zero for all images"),
        ([HEALTHY, 0.09, HEALTHY], None, ""),
        ([HEALTHY, 0.1, 0.25], None, "steps too large: head changes by 25.00 % per step"),
        # All layers change little at the end of a schedule.
        ([1e-7, 1e-7, 1e-5], None, ""),
        ([1.1e-5, HEALTHY, 0.05], None, ""),
        ([1e-6, HEALTHY, 0.002], None, "first does not learn: it changes by 1e-6 per step, head by 0.002"),
        ([nan, nan, HEALTHY], None, ""),
    ],
)
def test_the_worst_layer_is_named(updates: list[float], dead: list[float] | None, says: str) -> None:
    problem = layer_problem(run(updates, dead))
    assert problem.startswith(says) if says else problem == ""


@pytest.mark.parametrize(("activation", "named"), [("sigmoid", True), ("tanh", True), ("relu", False)])
def test_a_vanishing_gradient_is_explained(activation: str, named: bool) -> None:
    problem = layer_problem(run([1e-8, 1e-5, HEALTHY], None, f"model.activation={activation}"))
    assert (f"its gradient vanishes behind the {activation}s, use relu" in problem) is named


def test_health_names_the_layer_instead_of_its_gradient() -> None:
    vanishing = run([1e-8, 1e-5, HEALTHY])
    vanishing.layers = LayerColumns(array("d", [norm]) for norm in (1e-9, 1e-3, 1.0))
    assert problems(vanishing) == [layer_problem(vanishing)]
    vanishing.layer_statistics["update_ratio"] = LayerColumns()
    assert problems(vanishing) == ["vanishing gradient: norm 1e-9 in the first layer, 1 in the last"]
