"""What a report says of ordinary and of unusual runs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from matplotlib.figure import Figure

from report.pages import Page
from runs.external.tensorboard.written_events import simple, write
from tuitrain.analysis import units
from tuitrain.analysis.metrics.tables import metric_lines
from tuitrain.analysis.verdict import read_verdict
from tuitrain.config.schema import Config
from tuitrain.report.blocks import Section, Table, Text
from tuitrain.report.content import collect
from tuitrain.report.render import html
from tuitrain.report.write import write_report
from tuitrain.runs.baselines import Baselines, write_baselines
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import LabelCheck, write_label_check
from tuitrain.runs.marks import Mark, marks_file, write_marks
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.robustness import Robustness, robustness_file, write_robustness
from tuitrain.runs.rows import Train
from tuitrain.runs.writer import RunWriter, create, encode_pretty

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, which takes most of the time."""

    def savefig(_: Figure, file: BinaryIO, **__: object) -> None:
        file.write(b'<svg xmlns="http://www.w3.org/2000/svg"/>')

    monkeypatch.setattr(Figure, "savefig", savefig)


def shown(*folders: RunFolder) -> str:
    return " ".join(Page(html(collect(folders))).text.split())


def tables_of(sections: Iterable[Section]) -> list[Table]:
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def test_a_real_run(train: Callable[..., Follower], tmp_path: Path) -> None:
    run = train("model.hidden=16", "training.epochs=3", "training.seed=5", "schedule.name=cosine")
    path = tmp_path / "r.html"
    write_report([run.folder], path)
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    best = run.folder.best_test(run.state)
    assert best is not None
    found = read_verdict(run.folder)
    assert found is not None
    assert f"{units.percent(best.accuracy)} accuracy · test, the {best.checkpoint} weights" in text
    assert f"95 % interval {found.interval_text}" in text
    assert all(sentence in text for sentence in found.sentences)
    assert "simple classifier" in page.texts
    assert metric_lines(run.folder, best)[1][2] in text
    assert {"Loss", "Accuracy", "Learning rate", "Confusion matrix"} <= set(page.texts)
    assert page.tags.count("svg") == 4
    assert page.tags.count("img") >= 24
    for known in ("macro-F1", "1,293", run.info.fingerprints["test"], "mlp 64-16-10", "labels look wrong",
                  "--set training.seed=5", "seed = 5", run.info.versions["torch"], run.info.device):  # fmt: skip
        assert known in text, known


@pytest.mark.usefixtures("undrawn")
def test_several_runs_are_compared(write_run: WriteRun) -> None:
    kinds = [(rule, seed) for rule in ("sgd", "adam") for seed in (0, 1)]
    folders = [write_run("", f"optimizer.name={rule}", f"training.seed={seed}") for rule, seed in kinds]
    text = shown(*folders, folders[0])
    assert text.startswith("Comparison of 4 runs")
    for known in ("optimizer.name", "Mean ± standard deviation over seeds", "sgd ×2", "No McNemar test:", "Run 4:"):
        assert known in text, known
    assert "relative to sgd s0. ★ marks the best value" in text


@pytest.mark.usefixtures("undrawn")
def test_many_runs_fit_on_paper(write_run: WriteRun) -> None:
    report = collect([write_run(f"run {number}", f"training.seed={number}") for number in range(6)])
    tables = tables_of(report.sections)
    assert max(len(table.lines[0]) for table in tables) <= 7


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"status": "running", "dead": True}, ["The training process is gone", "The run has no evaluation"]),
        ({"status": "running"}, ["not finished", "2/3 epochs", "The run has no evaluation"]),
        ({"status": "queued", "dead": True}, ["process is gone"]),
        ({"status": "stopped"}, ["The run was stopped after epoch 3 of 3"]),
        ({"status": "failed", "reason": "the loss is NaN"}, ["The run failed: the loss is NaN"]),
        ({"evaluations": ()}, ["The run has no evaluation", "tuitrain evaluate"]),
        ({}, ["There are no intervals", "tuitrain evaluate"]),
    ],
    ids=["interrupted", "running", "queued", "stopped", "failed", "not evaluated", "without predictions"],
)
def test_what_a_run_lacks_is_said(write_run: WriteRun, options: dict[str, Any], words: list[str]) -> None:
    text = shown(write_run("one", **options))
    assert all(word in text for word in words), text


@pytest.mark.usefixtures("undrawn")
def test_an_empty_run(tmp_path: Path) -> None:
    text = shown(create(tmp_path / "runs", RunInfo(id="", name="empty"), Config()))
    for words in ("No accuracy has been measured", "has no scores yet", "has no metrics yet", "has no evaluation"):
        assert words in text, words


def test_a_diverged_run(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    writer = RunWriter(folder)
    for step in range(41, 101):
        writer.row(Train(step, 3, None if step % 2 else 10.0 ** (step - 41), 0.1, 0.1, step, step))
    writer.end(status="failed", reason="The loss is not finite after step 100.", epoch=2, step=100)
    writer.close()
    text = shown(folder)
    assert "The loss is not finite after step 100." in text
    assert "Training loss rose" in text


DAMAGES = [
    ("config.toml", b"\xff", ["config.toml is damaged", "The configuration cannot be read"]),
    ("config.toml", None, ["config.toml is missing", "The settings are unknown"]),
    ("run.json", b"{", ["run.json is damaged", "Metrics"]),
    ("state.json", None, ["state.json is missing"]),
    ("evaluation/test.json", b"{", ["test.json is damaged", "The run has no evaluation"]),
    ("metrics.jsonl", b"{", ["1 damaged row", "The run has no metrics yet"]),
    ("metrics.jsonl", None, ["The run has no metrics yet"]),
]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("file", "content", "words"), DAMAGES)
def test_a_damaged_run(write_run: WriteRun, file: str, content: bytes | None, words: list[str]) -> None:
    folder = write_run("one")
    (folder.path / file).unlink()
    if content is not None:
        (folder.path / file).write_bytes(content + b"\n")
    text = shown(folder)
    assert [word for word in words if word not in text] == []


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_run_does_not_prevent_a_comparison(write_run: WriteRun) -> None:
    folder, other = write_run("one"), write_run("two")
    folder.config_file.write_bytes(b"\xff")
    text = shown(folder, other)
    assert "The run is damaged: config.toml" in text
    assert "Run 2: two" in text


@pytest.mark.usefixtures("undrawn")
def test_damaged_predictions_and_pictures(write_run: WriteRun) -> None:
    folder = write_run("one")
    (folder.evaluations / "test.predictions.npz").write_bytes(b"PK")
    found = folder.evaluation("test")
    assert found is not None
    worst = [msgspec.structs.replace(found.worst[0], pixels=b"short")]
    (folder.evaluations / "test.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(found, worst=worst)))
    text = shown(folder)
    assert "test.predictions.npz is damaged" in text
    assert "Their pictures are damaged" in text


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_another_tool(tmp_path: Path) -> None:
    events = [simple("<b>/loss", 1 / (1 + step), step) for step in range(5)]
    events += [simple("val_acc", step / 10, step) for step in range(5)]
    write(tmp_path / "runs" / "theirs", events)
    folder = find(tmp_path / "runs", "theirs")
    text = shown(folder)
    for words in ("TensorBoard event files", "Another tool trained this run", "has no evaluation"):
        assert words in text, words
    assert "tuitrain evaluate" not in text


@pytest.mark.usefixtures("undrawn")
def test_many_classes_stay_readable(write_run: WriteRun) -> None:
    folder = write_run("big", classes=[f"class {number}" for number in range(300)])
    report = collect([folder])
    [classes] = [section for section in report.sections if section.title == "Classes"]
    assert Text("300 classes are too many for a matrix.") in classes.blocks
    assert max(len(table.lines) for table in tables_of([classes])) <= 41
    assert len(html(report)) < 500_000


@pytest.mark.usefixtures("undrawn")
def test_the_comparison_with_simple_classifiers(write_run: WriteRun) -> None:
    folder = write_run("one")
    write_baselines(
        folder,
        Baselines(split="test", training_images=9, images=9, commonest_class=0.1, nearest_neighbor=0.8, linear=0.7),
    )
    rows = [["nearest neighbor", "80.00 %"], ["linear model", "70.00 %"], ["commonest class", "10.00 %"]]
    assert [["simple classifier", "accuracy"], *rows] in [
        table.lines for table in tables_of(collect([folder]).sections)
    ]
    assert "fewer errors than the best simple classifier, the nearest neighbor" in shown(folder)
    (folder.evaluations / "baselines.json").unlink()
    assert f"Compare it with simple classifiers: tuitrain verdict {folder.id}" in shown(folder)


@pytest.mark.usefixtures("undrawn")
def test_the_accuracy_on_corrupted_images(write_run: WriteRun) -> None:
    folder = write_run("one")
    assert "Corrupted images" not in shown(folder)
    record = Robustness(
        split="test", checkpoint="last", epoch=3, step=60, images=10, fingerprint="", benchmark="CIFAR-10-C", clean=0.9,
        corrupted={"blur": (0.8, 0.7, 0.6, 0.5, 0.4)},
    )  # fmt: skip
    write_robustness(folder, record)
    assert "clean 90.00 % · corrupted 60.00 %" in shown(folder)
    write_robustness(folder, msgspec.structs.replace(record, step=20))
    assert "has continued since then" in shown(folder)
    robustness_file(folder).write_text("{")
    assert "robustness.json is damaged" in shown(folder)


@pytest.mark.usefixtures("undrawn")
def test_labels_that_are_known_to_be_wrong(write_run: WriteRun) -> None:
    folder = write_run("one")
    write_label_check(folder, LabelCheck(7, 1797))
    write_marks(marks_file(folder), {"a.png": Mark("cat", "wrong", "dog"), "b.png": Mark("cat", "right", "")})
    text = shown(folder)
    assert "By similar images or marks, 6 of all 1,797 labels look wrong." in text
    assert "A person checked 2 labels, and marked 1 as wrong." in text


@pytest.mark.usefixtures("undrawn")
def test_notes_tags_and_changed_settings(write_run: WriteRun) -> None:
    folder = write_run("one", lr=0.5)
    info = folder.info()
    info.notes, info.tags = "first line\nsecond line", ["baseline"]
    folder.info_file.write_bytes(encode_pretty(info))
    text = shown(folder)
    for words in ("first line", "second line", "#baseline", "These settings were changed during the run: optimizer.lr"):
        assert words in text, words
    assert isinstance(folder.state(), State)


@pytest.mark.usefixtures("undrawn")
def test_the_trial_of_a_sweep_names_its_sweep(write_run: WriteRun) -> None:
    folder = write_run("one")
    assert "part of the sweep" not in shown(folder)
    info = folder.info()
    info.parent = "20261123-lr-3f2a"
    folder.info_file.write_bytes(encode_pretty(info))
    text = shown(folder)
    assert "part of the sweep" in text
    assert "20261123-lr-3f2a" in text
