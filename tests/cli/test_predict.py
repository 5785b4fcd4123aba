"""`tuitrain predict`: what it prints, and its exit status."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import forked
from planted import Planted
from tuitrain.cli.parser import parse
from tuitrain.errors import RunError, TrustError
from tuitrain.hosts import trust
from tuitrain.hosts.launch import resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

Train = Callable[..., Follower]
Output = pytest.CaptureFixture[str]
HOSTILE = ("a\x1b[31m.png", "new\nline.png", "=cmd().png", os.fsdecode(b"latin\xef.png"), "-dash.png")


@pytest.fixture
def folder(train: Train) -> RunFolder:
    return train("training.epochs=1").folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three pictures and a text file named as one."""
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3)).astype("u1")
        Image.fromarray(pixels).save(place / f"{number}.png")
    (place / "text.jpg").write_text("text", encoding="utf-8")
    (place / "notes.txt").touch()
    return place


def predict(folder: RunFolder, *arguments: str | Path) -> int:
    options = parse(["predict", str(folder.path), *map(str, arguments)])
    code: int = options.run(options)
    return code


def test_json_has_exactly_these_keys(folder: RunFolder, photos: Path, capsys: Output) -> None:
    assert predict(folder, photos, "--json", "--top", "4") == 1
    found = json.loads(capsys.readouterr().out)
    assert [entry["path"] for entry in found] == [str(photos / f"{number}.png") for number in range(3)]
    for entry in found:
        assert list(entry) == ["path", "class", "probability", "top"]
        assert [list(guess) for guess in entry["top"]] == [["class", "probability"]] * 4
        assert {key: entry[key] for key in ("class", "probability")} == entry["top"][0]
        assert 0 < entry["top"][3]["probability"] <= entry["top"][0]["probability"] <= 1


def test_csv_and_lines_agree_with_json(folder: RunFolder, photos: Path, capsys: Output) -> None:
    pictures = [photos / f"{number}.png" for number in range(3)]
    assert [predict(folder, *pictures, *form) for form in (["--json"], ["--csv"], [])] == [0, 0, 0]
    output = capsys.readouterr().out
    document, table = output.split("]\n", 1)[0] + "]", output.split("]\n", 1)[1]
    # The inner lists of the document end with "]}", so its own end is a line.
    entries = json.loads(document)
    rows = list(csv.DictReader(io.StringIO("".join(table.splitlines(keepends=True)[:4]))))
    lines = table.splitlines()[4:]
    assert list(rows[0]) == ["path", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]
    for entry, row, line in zip(entries, rows, lines, strict=True):
        assert (row["path"], row["class"], float(row["probability"])) == (
            entry["path"], entry["class"], entry["probability"],
        )  # fmt: skip
        assert (row["class_3"], float(row["probability_3"])) == tuple(entry["top"][2].values())
        assert line.startswith(f"{entry['path']}: {entry['class']} {100 * entry['probability']:.2f} % · ")


def test_below_the_threshold_there_is_no_class(folder: RunFolder, photos: Path, capsys: Output) -> None:
    picture = photos / "0.png"
    for form in ("--json", "--csv", "--tta"):
        assert predict(folder, picture, "--threshold", "1", "--top", "1", form) == 0
    document, table, line = capsys.readouterr().out.replace("]\npath", "]\n\npath").replace("\n\n", "\0").replace(
        f"\n{picture}: ", f"\0{picture}: "
    ).split("\0")  # fmt: skip
    (entry,) = json.loads(document)
    assert entry["class"] is None
    assert entry["top"][0]["class"] in "0123456789"
    assert table.splitlines()[1].split(",")[1] == ""
    assert line.startswith(f"{picture}: unsure · ")


def test_hostile_names_are_escaped(folder: RunFolder, photos: Path, capsys: Output) -> None:
    for name in HOSTILE:
        (photos / name).write_bytes((photos / "0.png").read_bytes())
    for form in ("--json", "--csv", "--top=3"):
        assert predict(folder, photos, form) == 1
        output = capsys.readouterr().out
        assert output.replace("\n", "").isprintable()
        if form == "--json":
            assert {Path(entry["path"]).name for entry in json.loads(output)} >= set(HOSTILE)
    assert predict(folder, photos / HOSTILE[3], "--csv") == 0


def test_messages_about_pictures(folder: RunFolder, photos: Path) -> None:
    (photos / "text\x1b[31m.jpg").touch()
    done = forked.tuitrain(photos, "predict", str(folder.path), ".", "missing\x1b.png")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    head, *refused, skipped, summary = done.stderr.splitlines()
    assert head == "./0.png: cropped to the middle, resized 30x20 to 8x8, converted to grey"
    assert refused == [
        "./text\N{REPLACEMENT CHARACTER}[31m.jpg: not an image",
        "./text.jpg: not an image",
        "missing\N{REPLACEMENT CHARACTER}.png: no such file or directory",
    ]
    assert skipped == "skipped files that are not images: 1 .txt"
    assert re.fullmatch(r"3 pictures · [\d,]+ images/s · 3 could not be read", summary)


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_no_picture_at_all(folder: RunFolder, photos: Path, capsys: Output, form: str) -> None:
    assert predict(folder, photos / "text.jpg", photos / "missing.png", form) == 1
    assert capsys.readouterr().out == ("[]\n" if form == "--json" else "path,class,probability\n")


def test_what_cannot_predict_says_why_in_a_sentence(folder: RunFolder, photos: Path, capsys: Output) -> None:
    (folder.checkpoints / "best.safetensors").unlink()
    with pytest.raises(RunError, match=r"^The checkpoint best\.safetensors is missing in \S+\.$"):
        predict(folder, photos, "--checkpoint", "best", "--json")
    assert not capsys.readouterr().out
    for bad in (["--threshold", "80"], ["--top", "0"], ["--json", "--csv"]):
        with pytest.raises(SystemExit, match="2"):
            predict(folder, photos, *bad)


def test_only_the_network_of_a_received_run_must_be_allowed(planted: Planted, photos: Path) -> None:
    folder = planted.run(planted.model, planted.transform, copy=planted.file.read_bytes())
    key, _ = trust.check_run(folder, trust=True)
    assert resume_run(folder, lambda *_: None, Inbox(folder), allowed_key=key).status == "finished"
    for entry in Path(os.environ["XDG_STATE_HOME"]).glob("tuitrain/trusted/*.json"):
        entry.unlink()
    planted.ran.unlink()
    with pytest.raises(TrustError, match=r"^You did not start run \S+ here; add --trust to allow this code: [^;]*$"):
        predict(folder, photos / "0.png")
    assert not planted.ran.exists()
    assert predict(folder, photos / "0.png", "--trust") == 0
    assert planted.ran.exists()


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


def start(folder: RunFolder, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tuitrain", "predict", str(folder.path), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_paths_on_standard_input_and_ctrl_c(folder: RunFolder, photos: Path) -> None:
    """Pictures are classified while more paths may come, and ctrl+c completes the document."""
    process = start(folder, "-", "-0", "--json", "--top", "1")
    assert process.stdin
    assert process.stdout
    names = [os.fsencode(photos / f"{number % 3}.png") for number in range(300)]
    process.stdin.write(b"\0".join(names) + b"\0")
    process.stdin.flush()
    first = [process.stdout.readline() for _ in names]
    process.send_signal(signal.SIGINT)
    # `communicate` would skip what the buffer of the stream contains.
    output = process.stdout.read()
    assert process.wait(timeout=60) == 130
    entries = json.loads(b"".join(first) + output)
    assert [entry["path"] for entry in entries] == list(map(os.fsdecode, names))


def test_a_reader_that_stops_ends_the_command(folder: RunFolder, photos: Path) -> None:
    process = start(folder, "-")
    assert process.stdin
    assert process.stdout
    process.stdin.write(os.fsencode(photos / "0.png") + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(os.fsencode(photos / "0.png") + b"\n")
    process.stdin.flush()
    # Its input stays open.
    assert process.wait(timeout=60) == 0
