import json
from pathlib import Path

import pytest

from tuitrain.cli.parser import parse
from tuitrain.config.data.schema import DATASET_NAMES


def test_the_data_sets_are_listed_with_their_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "usps.bz2").touch()
    options = parse(["data", str(tmp_path), "--json"])
    assert options.run(options) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert [*rows, "image-folder"] == list(DATASET_NAMES)
    assert rows["usps"]["found"] == str(tmp_path)
    assert rows["svhn"]["found"] is None
    assert rows["flowers102"]["images"] == {"train": 1020, "validation": 1020, "test": 6149}
    assert all(sum(row["images"].values()) > 0 for row in rows.values())
    assert {name for name, row in rows.items() if not row["download"]} == {"digits", "usps"}
    assert (rows["oxford-pets"]["licence"], rows["flowers102"]["licence"]) == ("CC BY-SA 4.0", None)
    assert all(row["page"].startswith("http") for name, row in rows.items() if name != "digits")
    options = parse(["data", str(tmp_path)])
    assert options.run(options) == 0
    text = capsys.readouterr().out
    assert "oxford-pets" in text
    assert "811 MB" in text
