"""The verdict on an evaluation: the comparison with simple classifiers, and where the network fails."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tuitrain.analysis.verdict import ConfusedPair, WeakestClass, judged_evaluation, read_verdict, verdict
from tuitrain.runs.baselines import Baselines, write_baselines
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.marks import Mark, marks_file, write_marks
from tuitrain.runs.records import Evaluation

EVALUATIONS = (("test", "last", 0.9), ("test", "best", 0.9), ("validation", "last", 0.8))
HOSTILE = "\x1b[31mant\n[bold]\u202e"


@pytest.fixture
def finished(write_run: Callable[..., RunFolder]) -> RunFolder:
    folder = write_run(evaluations=EVALUATIONS)
    info = msgspec.structs.replace(folder.info(), sizes={"train": 100, "validation": 50, "test": 50})
    folder.info_file.write_bytes(msgspec.json.encode(info))
    return folder


def evaluation(confusion: list[list[int]], classes: list[str] | None = None) -> Evaluation:
    names = classes or [f"class {index}" for index in range(len(confusion))]
    return Evaluation(
        split="test", checkpoint="last", epoch=1, step=1, loss=0.5, accuracy=0.5, classes=names, confusion=confusion
    )


def baselines(nearest_neighbor: float = 0.7, linear: float = 0.6) -> Baselines:
    return Baselines(
        split="test",
        training_images=100,
        images=200,
        commonest_class=0.5,
        nearest_neighbor=nearest_neighbor,
        linear=linear,
    )


def judge(correct: int, reached: float | None) -> str:
    given = evaluation([[correct, 100 - correct], [0, 100]])
    known = None if reached is None else baselines(nearest_neighbor=reached)
    return verdict(Follower(RunFolder(Path("nowhere"))), given, known).comparison


def test_the_network_is_compared_with_the_best_baseline() -> None:
    assert judge(90, 0.8) == (
        "The network makes 75 % fewer errors than the best simple classifier, the nearest neighbor:"
        " 95.00 % against 80.00 %."
    )
    assert judge(90, 0.92) == (
        "The network is NOT CLEARLY BETTER than a simple classifier: the nearest neighbor reaches 92.00 %, within the"
        " 95 % interval of the network, 91.04 – 97.26 %."
    )
    worse = "The network is NOT BETTER than a simple classifier: the nearest neighbor reaches"
    assert judge(90, 0.95) == f"{worse} 95.00 %, the network 95.00 %."
    assert judge(100, 1.0) == f"{worse} 100.00 %, the network 100.00 %."
    assert judge(90, None) == ""


@pytest.mark.parametrize(("reached", "better", "beats"), [(0.8, 0.75, True), (0.95, 0.0, False), (1.0, None, False)])
def test_the_figures_of_the_comparison(reached: float, better: float | None, beats: bool) -> None:
    given = evaluation([[90, 10], [0, 100]])
    found = verdict(Follower(RunFolder(Path("nowhere"))), given, baselines(linear=reached))
    assert (found.accuracy, found.images, found.correct, found.beats_baseline) == (0.95, 200, 190, beats)
    assert found.better == (None if better is None else pytest.approx(better))
    best = max(("linear model", reached), ("nearest neighbor", 0.7), key=lambda each: each[1])
    assert found.ranked_baselines[0] == best
    assert len(found.ranked_baselines) == 3


def failure(confusion: list[list[int]], classes: list[str] | None = None) -> str:
    return verdict(Follower(RunFolder(Path("nowhere"))), evaluation(confusion, classes), None).failure


def test_it_says_where_the_network_fails() -> None:
    assert failure([[20, 0, 0], [3, 17, 0], [1, 0, 19]]) == (
        "Weakest class: class 1, 17 of 20 images correct (85.00 %)."
        " Most frequent confusion: class 1 predicted as class 0 (3)."
    )
    # Neither of two equal ones stands out, and a class of few images is weak by chance.
    assert failure([[19, 1], [1, 19]]) == "No class and no confusion stands out among the errors."
    few = failure([[20, 0, 0], [2, 1, 0], [1, 0, 19]])
    assert few.startswith("Weakest class: class 2")
    assert failure([[20, 0], [0, 20]]) == "All images are classified correctly."
    assert failure([[0, 0], [0, 0]]) == "All images are classified correctly."


def test_hostile_class_names_are_shown_as_text() -> None:
    given = evaluation([[10, 10], [0, 20]], [HOSTILE, "x" * 500])
    found = verdict(Follower(RunFolder(Path("nowhere"))), given, None)
    assert isinstance(found.weakest, WeakestClass)
    assert isinstance(found.confused, ConfusedPair)
    for text in (*found.sentences, found.weakest.name, found.confused.true, found.confused.predicted):
        assert text.isprintable()
        assert len(text) < 400


def test_a_run_is_judged_by_its_files(finished: RunFolder) -> None:
    found = read_verdict(finished)
    assert found is not None
    assert found.baselines is None
    assert found.comparison == ""
    write_baselines(finished, baselines())
    found = read_verdict(finished)
    assert found is not None
    assert found.baselines == baselines()
    assert found.checkpoint == "best"
    assert found.sentences[0].startswith("The network makes")


def test_marked_labels_count(finished: RunFolder) -> None:
    info = finished.info()
    write_marks(marks_file(finished), {f"test {n}": Mark("a", "wrong", "b") for n in range(sum(info.sizes.values()))})
    found = read_verdict(finished)
    assert found is not None
    assert found.next_step.kind == "cleaner_labels"
    marks_file(finished).write_bytes(b"\xff\xff")
    again = read_verdict(finished)
    assert again is not None
    assert again.next_step.kind != "cleaner_labels"


def test_the_evaluation_is_that_of_the_result(finished: RunFolder) -> None:
    state = finished.state()
    best = judged_evaluation(finished, state)
    assert best is not None
    assert (best.split, best.checkpoint) == ("test", "best")
    for name in ("test-best.json", "test.json"):
        (finished.evaluations / name).unlink()
    validation = judged_evaluation(finished, state)
    assert validation is not None
    assert validation.split == "validation"
    for file in finished.evaluations.iterdir():
        file.unlink()
    assert judged_evaluation(finished, state) is None
    assert read_verdict(finished) is None
