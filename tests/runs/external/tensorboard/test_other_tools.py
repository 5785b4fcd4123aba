"""tuitrain reads the event files of other tools as TensorBoard does."""

from pathlib import Path

import pytest

from runs.external.tensorboard.written_events import OLD, content, floats, keras, ours, simple, theirs, whole, write
from tuitrain.runs.catalog.listing import find
from written_runs import list_runs


def test_event_files_of_torch(tmp_path: Path) -> None:
    import torch
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path / "exp"))
    for step in range(300):
        writer.add_scalar("Loss/train", 1 / (step + 1), step)
        if step % 50 == 0:
            writer.add_scalar("Accuracy/test", step / 300, step, new_style=True)
            writer.add_scalars("Loss", {"train": 0.5, "val": 0.25}, step)
            writer.add_histogram("weights", torch.arange(3.0), step)
    writer.add_text("words", "\x1b[31m")
    writer.add_hparams({"lr": 0.1, "bs": 32, "deep": True, "opt": "SGD"}, {"hparam/accuracy": 0.5})
    writer.close()
    assert ours(tmp_path / "exp") == theirs(tmp_path / "exp")
    run = whole(tmp_path / "exp")
    assert len(run.train) == 300
    assert run.train["loss"][9] == pytest.approx(0.1)
    assert list(run.evaluations["validation"].step) == list(range(0, 300, 50))
    assert run.evaluations["test"].only("accuracy")["accuracy"][-1] == pytest.approx(250 / 300)
    assert run.settings == {"optimizer.lr": 0.1, "data.batch_size": 32, "deep": True, "optimizer.name": "sgd"}
    assert run.info.host
    # All that torch wrote there is one run.
    assert [one.folder.id for one in list_runs(tmp_path)] == ["exp"]


def test_event_files_of_lightning(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_0"
    events = []
    for step in range(0, 100, 5):
        events += [simple("epoch", step // 25, step), simple("train_loss_step", 1 / (step + 1), step)]
        events += [simple("lr-Adam", 0.001, step)]
        if step % 25 == 20:
            events += [simple("train_loss_epoch", 9.0, step), simple("val_loss", 2 / step, step)]
            events += [simple("val_acc", step / 100, step), simple("hp_metric", -1, 0)]
    write(folder, events)
    (folder / "hparams.yaml").write_text(
        "lr: 0.001\nbatch_size: 64\nmodel: !!python/object:evil.Net\n  hidden: 12\nnet:\n  width: 3\nflag: yes\n"
        'name: "\\e[31mx"\nnothing: null\n'
    )
    (folder / "checkpoints").mkdir()
    assert ours(folder) == theirs(folder)
    (one,) = list_runs(tmp_path)
    assert one.folder.id == "lightning_logs/version_0"
    assert (one.status, one.state.epoch, one.state.steps_per_epoch) == ("finished", 4, 24)
    assert one.state.validation is not None
    assert one.state.validation.loss == pytest.approx(2 / 95)
    assert one.state.best is not None
    assert (one.state.best.epoch, one.state.best.step) == (4, 95)
    assert one.settings == {"optimizer.lr": 0.001, "data.batch_size": 64, "model/hidden": 12, "net/width": 3,
                            "flag": True, "name": "\N{REPLACEMENT CHARACTER}[31mx"}  # fmt: skip
    assert one.setting("optimizer.name") is None
    run = whole(folder)
    # The finer of two tags is the curve of training; where only some rows have a value, the others are left out.
    assert list(run.train["loss"]) == pytest.approx([1 / (step + 1) for step in range(0, 100, 5)])
    assert list(run.train["lr"]) == pytest.approx([0.001] * 20)
    assert one.info.name == "version_0"
    assert find(tmp_path, "version_0").id == find(tmp_path, "lightning_logs/version_0").id == one.folder.id
    assert find(tmp_path, str(folder)).read_only


def test_event_files_of_keras(tmp_path: Path) -> None:
    for part in ("train", "validation"):
        events = []
        for epoch in range(6):
            events += [keras("epoch_loss", epoch, floats(1 / (epoch + 1)), OLD + epoch)]
            events += [keras("epoch_accuracy", epoch, content(epoch / 6), OLD + epoch)]
            events += [keras("epoch_learning_rate", epoch, content(0.01, 2))]
            events += [
                keras("epoch_half", epoch, content(0.5, 19)),
                keras("evaluation_loss_vs_iterations", 9, floats(3)),
            ]
        write(tmp_path / "fit" / part, events)
    for part in ("train", "validation"):
        assert ours(tmp_path / "fit" / part) == theirs(tmp_path / "fit" / part)
    (one,) = list_runs(tmp_path)
    assert (one.folder.id, one.state.epoch) == ("fit", 6)
    run = whole(tmp_path / "fit")
    assert list(run.evaluations["validation"]["loss"]) == pytest.approx([1 / (epoch + 1) for epoch in range(6)])
    assert list(run.train["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert list(run.train["seconds"]) == [0, 1, 2, 3, 4, 5]
    assert list(run.train["lr"]) == [pytest.approx(0.01)] * 6


def test_event_files_of_hugging_face(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "runs" / "Nov24_10-00-00_gpu3"
    events = []
    for step in range(10, 101, 10):
        events += [simple("train/loss", 1 / step, step), simple("train/learning_rate", 1e-4, step)]
        events += [simple("train/grad_norm", 2.0, step), simple("train/epoch", step / 40, step)]
    events += [simple("eval/loss", 0.5, 40), simple("eval/accuracy", 0.75, 40), simple("eval/loss", 0.75, 80)]
    events += [simple("train/train_loss", 7.0, 100), simple("train/total_flos", 1e12, 100)]
    write(folder, events)
    assert ours(folder) == theirs(folder)
    (one,) = list_runs(tmp_path)
    assert one.folder.id == "out/runs/Nov24_10-00-00_gpu3"
    assert one.state.train is not None
    assert one.state.train.loss == pytest.approx(0.01)
    assert one.state.train.measured is None
    assert one.state.best is not None
    assert (one.state.best.step, one.state.best.validation.accuracy) == (40, 0.75)
    assert (one.state.epoch, one.state.steps_per_epoch) == (2, 40)
    assert list(whole(folder).evaluations["validation"].only("accuracy").step) == [40]
