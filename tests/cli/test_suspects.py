"""`tuitrain suspects`."""

import csv
import json
from collections.abc import Callable

import pytest

from tuitrain.cli import main
from tuitrain.runs.follower import Follower


@pytest.fixture
def run(train: Callable[..., Follower]) -> str:
    return str(train("model.hidden=8", "training.epochs=2").folder.path)


def test_images_are_listed_by_doubt(run: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["suspects", run, "--json"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    suspects = document["suspects"]
    assert len(suspects) == 1797
    assert [each["margin"] for each in suspects] == sorted(each["margin"] for each in suspects)
    assert {each["split"] for each in suspects} == {"training", "validation", "test"}
    assert all(each["suggested"] != each["label"] for each in suspects)
    assert "finding similar images" in err
    assert main(["suspects", run, "--csv", "--split", "test", "--top", "3"]) == 0
    rows = list(csv.DictReader(capfd.readouterr().out.splitlines()))
    expected = [each for each in suspects if each["split"] == "test"][:3]
    assert [(row["index"], row["label"], row["suggested"]) for row in rows] == [
        (str(each["index"]), each["label"], each["suggested"]) for each in expected
    ]
    assert main(["suspects", run]) == 0
    lines = capfd.readouterr().out.splitlines()
    wrong = sum(each["wrong"] for each in suspects)
    assert lines[0] == f"{wrong:,} of 1,797 labels are likely wrong"
    assert lines[1].split()[:4] == ["split", "image", "label", "suggested"]
    assert lines[2].split()[:2] == [suspects[0]["split"], str(suspects[0]["index"])]
    assert len(lines) == 23


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--device", "gpu"], "training.device"),
        (["--top", "0"], "not a whole number above 0"),
        (["--csv", "--json"], "not allowed with"),
    ],
)
def test_refusals(run: str, capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    try:
        code = main(["suspects", run, *arguments])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    assert reason in capfd.readouterr().err
