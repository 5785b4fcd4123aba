"""Invalid settings, data and commands are refused."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

import forked
from cli.commands import Done, only_run, overrides

RAW = Path(os.environ.get("TUITRAIN_TEST_DATA", "../shared/data")).absolute() / "MNIST/raw"


def runs(home: Path) -> list[Path]:
    return list((home / "runs").iterdir()) if (home / "runs").exists() else []


BAD = {
    "value": (overrides("optimizer.lr=-1"), "optimizer.lr = -1 is not allowed: it must be a number > 0."),
    "key": (overrides("optimzer.lr=1"), "Unknown setting 'optimzer.lr'. Did you mean optimizer.lr?"),
    "kind": (overrides("training.epochs=many"), "training.epochs = many is not allowed: it must be a whole number"),
    "epochs": (overrides("training.epochs=9007199254740991"), "it must be a whole number >= 1 and <= 1000000000."),
    "detached": (["--detach", *overrides("training.epochs=9223372036854775807")], "<= 1000000000."),
    "choice": (overrides("model.activation=relo"), "Did you mean relu?"),
    "assignment": (overrides("optimizer.lr"), "is not KEY=VALUE"),
    "together": (overrides("optimizer.nesterov=true"), "needs a momentum"),
    "syntax": (["-c", "syntax.toml"], "syntax.toml is not valid TOML: "),
    "section": (["-c", "section.toml"], "Unknown section 'optimiser' in section.toml. Did you mean optimizer?"),
    "no file": (["-c", "missing.toml"], "There is no file missing.toml. Create one with: tuitrain config > run.toml"),
    "folder": (["-c", "empty"], "empty cannot be read: Is a directory."),
    "endless file": (["-c", "/dev/zero"], "/dev/zero cannot be read: it is not a regular file."),
    "pipe": (["-c", "pipe.toml"], "pipe.toml cannot be read: it is not a regular file."),
    "large": (["-c", "large.toml"], "large.toml cannot be read: it is larger than 1 MB."),
    "device": (overrides(f"training.device=cuda:{'9' * 20}"), "it must be auto, cpu, cuda, cuda:0 to cuda:99 or mps."),
    "nodes": (["--queue", *overrides("training.nodes=2")], "The queue trains each run on one machine"),
    "option": (["--fast"], "unrecognized arguments: --fast. See: tuitrain"),
    "hostile option": (["--fast\x1b[31m"], "unrecognized arguments: --fast\N{REPLACEMENT CHARACTER}[31m."),
    "not text": (["--name", "a\udcff"], "is not UTF-8 text."),
    "no value": (["--set"], "expected one argument"),
}

# These are found once torch is there.
BAD_DATA = {
    "no folder": (overrides("data.dataset=image-folder", "data.dir=missing"), "missing"),
    "empty folder": (overrides("data.dataset=image-folder", "data.dir=empty"), "has no class folders"),
    "one class": (overrides("data.dataset=image-folder", "data.dir=one"), "one has only one class, cat"),
    "no transform": (overrides("data.transform=missing.py:f"), "missing.py of data.transform cannot be read"),
}


def refused(home: Path, arguments: list[str], words: str) -> None:
    """Assert exit status 2, one sentence, and no files left behind."""
    (home / "syntax.toml").write_text("[optimizer]\nlr = fast\n")
    (home / "section.toml").write_text("[optimiser]\nlr = 1\n")
    os.mkfifo(home / "pipe.toml")
    with (home / "large.toml").open("wb") as file:
        file.truncate(2**34)
    (home / "empty").mkdir()
    (home / "one/cat").mkdir(parents=True)
    Image.new("L", (8, 8)).save(home / "one/cat/1.png")
    done = forked.tuitrain(home, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if line.startswith("tuitrain: ")]
    assert len(said) == 1, done.stderr
    assert said[0] == done.stderr.splitlines()[-1]
    assert words in said[0]
    assert "Traceback" not in done.stderr
    assert runs(home) == []


@pytest.mark.parametrize("case", BAD)
def test_invalid_settings_are_refused(tmp_path: Path, case: str) -> None:
    arguments, words = BAD[case]
    refused(tmp_path, ["train", *arguments], words)


@pytest.mark.parametrize("case", BAD_DATA)
def test_data_of_no_use_is_refused(tmp_path: Path, case: str) -> None:
    arguments, words = BAD_DATA[case]
    refused(tmp_path, ["train", "--json", *arguments], words)


@pytest.mark.skipif(not RAW.is_dir(), reason=f"no MNIST in {RAW}: set TUITRAIN_TEST_DATA")
def test_a_truncated_mnist_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "data/MNIST/raw"
    raw.mkdir(parents=True)
    for file in RAW.iterdir():
        shutil.copyfile(file, raw / file.name)
    with (raw / "train-images-idx3-ubyte").open("r+b") as images:
        images.truncate(1_000_000)
    refused(tmp_path, ["train", *overrides("data.dataset=mnist", "data.dir=data")], "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "unknown command 'trian'. Did you mean train?"),
        (["\x1b[31m"], "unknown command"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["attach"], "The app needs a terminal"),
        (["show"], "the following arguments are required: RUN"),
        (["show", "nothing"], "No run 'nothing' in runs. See: tuitrain runs"),
        (["show", "../nothing"], "No run in ../nothing."),
        (["stop", "nothing"], "No run 'nothing' in runs."),
        (["evaluate", "nothing", "--split", "train"], "invalid choice: 'train'"),
    ],
)
def test_a_command_of_no_sense_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    refused(tmp_path, arguments, words)


def test_a_run_that_is_over_takes_no_commands(trained: tuple[Path, Done]) -> None:
    home, _ = trained
    done = forked.tuitrain(home, "pause", "first")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{only_run(home).id} is not active: it is finished." in done.stderr


@pytest.mark.parametrize(
    ("epochs", "shown"),
    [("+9223372036854775807", 2**63 - 1), ("+999999990", 1_000_000_005), ("9007199254740993", 2**53 + 1)],
)
def test_no_run_is_resumed_for_more_epochs_than_it_may_have(
    trained: tuple[Path, Done], epochs: str, shown: int
) -> None:
    home, _ = trained
    before = only_run(home).state()
    done = forked.tuitrain(home, "resume", "first", "--epochs", epochs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"tuitrain: training.epochs = {shown} is not allowed: it must be a whole number >= 1 and <= 1000000000.\n"
    )
    assert only_run(home).state() == before
