"""`tuitrain suspects`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from training.data.image_folders import classes_of
from tuitrain.cli import main
from tuitrain.hosts.suspects.report import Image, Report, Suspect
from tuitrain.image_folder.splits import FolderSplits
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
    assert lines[0].startswith(f"{wrong:,} of 1,797 labels are likely wrong")
    assert lines[1].split()[:4] == ["split", "image", "label", "suggested"]
    assert lines[2].split()[:2] == [suspects[0]["split"], str(suspects[0]["index"])]
    assert len(lines) == 23


def test_weak_features_are_named(run: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    image = Image("test", 0, "", 0)
    for margins, warning in (
        ([-0.9, -0.4, 0.5, 0.5], "many may be hard images: similar ones contradict 50.00 % of all labels"),
        ([-0.9, 0.5, 0.5, 0.5], ""),
    ):
        suspects = tuple(Suspect(image, 1, 0.1, margin, margin < -0.5) for margin in margins)
        report = Report(("ant", "bee"), suspects, ())
        monkeypatch.setattr("tuitrain.cli.commands.suspects.find_suspects", lambda *_, report=report, **__: report)
        assert main(["suspects", run]) == 0
        assert (
            capfd.readouterr().out.splitlines()[0] == f"1 of 4 labels is likely wrong{f' · {warning}' * bool(warning)}"
        )
        assert main(["suspects", run, "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["warning"] == (warning or None)


def test_the_list_serves_as_labels_and_as_excluded_images(
    train: Callable[..., Follower], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = classes_of(tmp_path / "photos", {"+ant": 12, "bee": 12})
    (photos / "bee" / "000.png").rename(photos / "bee" / "=0.png")
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8")
    folder = train("model.hidden=8", "training.epochs=1", *data).folder
    capfd.readouterr()
    assert main(["suspects", str(folder.path), "--csv"]) == 0
    table = tmp_path / "labels.csv"
    table.write_text(capfd.readouterr().out)
    before = FolderSplits.scan(folder.config().data, 0)
    after = FolderSplits.scan(replace(folder.config().data, labels=str(table)), 0)
    assert {name: set(zip(*files, strict=True)) for name, files in after.splits.items()} == {
        name: set(zip(*files, strict=True)) for name, files in before.splits.items()
    }
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(line for line in lines if "000.png" in line or "=0.png" in line)]))
    left = FolderSplits.scan(replace(folder.config().data, exclude=str(table)), 0)
    assert set(before.paths) - set(left.paths) == {str(photos / "+ant" / "000.png"), str(photos / "bee" / "=0.png")}


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
