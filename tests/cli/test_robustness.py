"""`tuitrain robustness`."""

import json
from collections.abc import Callable

import pytest

from tuitrain.analysis.robustness import table
from tuitrain.cli import main
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.robustness import read_robustness, robustness_file


def test_the_table_and_the_documents_say_what_is_stored(
    train: Callable[..., Follower], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = train("model.hidden=16", "training.epochs=1").folder
    run = str(folder.path)
    assert main(["robustness", run]) == 0
    out, err = capfd.readouterr()
    record = read_robustness(folder)["test"]
    head, *lines = out.splitlines()
    assert head.startswith(
        f"clean {100 * record.clean:.2f} % · corrupted {100 * record.mean:.2f} % · test, best weights"
    )
    assert [line.replace(" %", "%").split() for line in lines] == [
        [cell.replace(" %", "%") for cell in row] for row in table(record)
    ]
    assert [line.split()[0] for line in lines] == ["corruption", "noise", "blur", "brightness", "JPEG", "mean"]
    assert "corrupting" in err
    assert main(["robustness", run, "--split", "validation", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["run"], document["split"]) == (folder.id, "validation")
    assert main(["show", run, "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)["robustness"]
    assert shown["validation"] == {key: value for key, value in document.items() if key != "run"}
    assert shown["test"]["mean"] == pytest.approx(record.mean)


def test_a_damaged_file_is_one_sentence(write_run: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]) -> None:
    folder = write_run("one")
    assert main(["show", str(folder.path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["robustness"] == {}
    robustness_file(folder).write_bytes(b"{")
    assert main(["show", str(folder.path), "--json"]) == 2
    assert "robustness.json is damaged" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--split", "train"], "invalid choice"), (["--device", "gpu"], "training.device"), (["--csv"], "unrecognized")],
)
def test_refusals(
    write_run: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    try:
        code = main(["robustness", str(write_run("one").path), *arguments])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    assert reason in capfd.readouterr().err
