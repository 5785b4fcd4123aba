"""Damaged and malicious run folders can be listed and opened without harm."""

import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forked import tuitrain
from screen_text import strips
from tuitrain.app.app import TuitrainApp
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import resume_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Inbox, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation, RunInfo, Score
from tuitrain.runs.rows import Evaluated, Train
from tuitrain.runs.writer import RunWriter, create
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.text import plain
from tuitrain.training import checkpoint

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red] [@click=app.quit]../../etc\u202e\x9b31m"
EVALUATION = Evaluation(
    split="test", checkpoint="last", epoch=3, step=21, loss=1.0, accuracy=0.5, classes=["a", "b"],
    confusion=[[1, 0], [1, 0]],
)  # fmt: skip
Damage = Callable[[RunFolder], object]


def run(runs_dir: Path, name: str, *, status: str = "finished") -> RunFolder:
    """Write a run of three short epochs without training."""
    info = RunInfo(id="", name=name, layers=["layers.0", "head"], classes=["a", "b"], sizes={"train": 9})
    folder = create(runs_dir, info, override(Config(), ["training.epochs=3"]))
    writer = RunWriter(folder)
    for epoch in (1, 2, 3):
        writer.row(Train(epoch * 7, epoch, 1 / epoch, 0.5, 0.1, epoch, time.time(), 0.3, (0.1, 0.2)))
        writer.row(Evaluated("validation", epoch * 7, epoch, 1 / epoch, 0.5, epoch, time.time(), best=True))
    writer.log("a line")
    folder.write_evaluation(EVALUATION)
    writer.end(status=status, epoch=3, epochs=3, step=21, steps=21, test=Score(1.0, 0.5), ended=time.time())
    writer.close()
    return folder


def write(name: str, content: bytes) -> Damage:
    return lambda folder: (folder.path / name).write_bytes(content)


def change(file: str, /, **values: Any) -> Damage:
    def damage(folder: RunFolder) -> None:
        path = folder.path / file
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def remove(name: str) -> Damage:
    return lambda folder: (folder.path / name).unlink()


def half(name: str) -> Damage:
    return lambda folder: os.truncate(folder.path / name, (folder.path / name).stat().st_size // 2)


def empty(folder: RunFolder) -> None:
    shutil.rmtree(folder.path)
    folder.path.mkdir()


def folder_for_state(folder: RunFolder) -> None:
    folder.state_file.unlink()
    folder.state_file.mkdir()


# With a part of the reason. What is not in here is in the unit tests of the listing.
FATAL: dict[str, tuple[Damage, str]] = {
    "state cut in half": (half("state.json"), "state.json is damaged"),
    "info cut in half": (half("run.json"), "run.json is damaged"),
    "state of garbage": (write("state.json", bytes(range(256))), "state.json is damaged"),
    "status unknown": (change("state.json", status="exploded"), "state.json is damaged"),
    "hostile status": (change("state.json", status=HOSTILE), "state.json is damaged"),
    "steps of text": (change("state.json", step="many"), "state.json is damaged"),
    "no state": (remove("state.json"), "state.json is missing"),
    "no info": (remove("run.json"), "run.json is missing"),
    "format of the future": (change("run.json", format=9), "run.json has format 9"),
    "bad configuration": (write("config.toml", b"[optimizer]\nlr = -1\n"), "config.toml is damaged"),
    "hostile configuration": (write("config.toml", f"[{HOSTILE!r}]".encode()), "config.toml is damaged"),
    "nothing left": (empty, "run.json is missing"),
    "state is a folder": (folder_for_state, "state.json is a folder"),
}  # fmt: skip
SHOWN: dict[str, Damage] = {
    "rows cut in half": half("metrics.jsonl"),
    "rows of garbage": write("metrics.jsonl", bytes(range(256)) * 50),
    "rows of hostile text": write("metrics.jsonl", json.dumps({"kind": "event", "name": HOSTILE, "step": 1,
                                                              "epoch": 1, "time": 0, "detail": HOSTILE}).encode()),
    "no rows": remove("metrics.jsonl"),
    "a log of garbage": write("log.txt", bytes(range(256)) * 500),
    "a hostile log": write("log.txt", (HOSTILE + "\n").encode() * 500),
    "a hostile reason": change("state.json", status="failed", reason=HOSTILE),
    "a hostile phase": change("state.json", phase=HOSTILE),
    "hostile info": change("run.json", name=HOSTILE, id="../../../etc", model=HOSTILE, device=HOSTILE, git=HOSTILE,
                           classes=[HOSTILE], layers=[HOSTILE], tags=[HOSTILE], command=HOSTILE, parent="../../x"),
    "a name that leads out": change("run.json", name="../../../../etc/passwd"),
    "no evaluations": lambda folder: shutil.rmtree(folder.evaluations),
    "no checkpoints": lambda folder: shutil.rmtree(folder.checkpoints),
    "numbers at the end of the world": change("state.json", seconds=1e300, samples_per_second=1e300, ended=1e15),
}  # fmt: skip


def picture(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(place.rglob("*"))}


def said(capsys: pytest.CaptureFixture[str], place: Path, *words: str) -> tuple[int, str]:
    """Return exit status and output; assert that the output has no control characters."""
    code = main([words[0], "--runs-dir", str(place / "runs"), *words[1:]])
    output = "".join(capsys.readouterr())
    assert not any(letter in output for letter in "\x1b\x07\x9b\u202e"), output
    assert "Traceback" not in output
    return code, output


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that contains a runs folder and a secret next to it."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "precious").write_text("precious")
    run(tmp_path / "runs", "whole")
    return tmp_path


@pytest.mark.parametrize("case", FATAL)
def test_damage_is_listed_with_its_reason(place: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    damage, reason = FATAL[case]
    bad = run(place / "runs", "bad")
    damage(bad)
    before = picture(place)
    code, output = said(capsys, place, "runs", "--json")
    entries = {entry["id"]: entry for entry in json.loads(output)}
    assert (code, len(entries), entries[bad.id]["status"]) == (0, 2, "damaged")
    assert reason in entries[bad.id]["reason"]
    assert [entry["status"] for entry in entries.values() if entry["name"] == "whole"] == ["finished"]
    code, output = said(capsys, place, "runs")
    assert code == 0
    assert "damaged" in output
    for command in ("show", "resume", "pause"):
        code, output = said(capsys, place, command, bad.id)
        assert code == 2
        assert output.startswith("tuitrain: ")
        # Only what the command needs is looked at.
        assert reason in output or command != "show"
    assert picture(place) == before


@pytest.mark.parametrize("case", SHOWN)
def test_damage_in_unneeded_files_is_ignored(place: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    bad = run(place / "runs", "bad")
    SHOWN[case](bad)
    before = picture(place)
    for words in (["runs"], ["runs", "--json"], ["show", bad.id], ["show", bad.id, "--json"], ["show", "whole"]):
        code, output = said(capsys, place, *words)
        assert code == 0, output
        if "--json" in words:
            assert json.loads(output)
    assert picture(place) == before


@pytest.mark.parametrize("name", ["\x1b[2Jrun", "[red]run", "..", "-run", "run\nrun", "\u202erun", 'ru\'n "$(id)"'])
def test_folders_with_hostile_names(place: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    bad = run(place / "runs", "bad")
    if name != "..":
        bad.path.rename(place / "runs" / name)
    before = picture(place)
    code, output = said(capsys, place, "runs", "--json")
    assert code == 0
    if name != "..":
        assert json.loads(output)[[entry["name"] for entry in json.loads(output)].index("bad")]["id"] == name
    assert said(capsys, place, "runs")[0] == 0
    assert said(capsys, place, "show", "bad")[0] == 0
    code, _ = said(capsys, place, "show", "--", name)
    assert code == (2 if name == ".." else 0)
    assert picture(place) == before


@pytest.mark.parametrize("wanted", ["../beside", "../../etc", "..", "/etc", "runs/../beside", ".", "", "\x1b[2J"])
def test_a_path_out_of_the_folder_is_no_run(place: Path, capsys: pytest.CaptureFixture[str], wanted: str) -> None:
    before = picture(place)
    for command in ("show", "resume", "stop", "pause", "checkpoint", "evaluate"):
        code, output = said(capsys, place, command, wanted)
        assert code == 2
        assert "No run" in output
    assert picture(place) == before


def symbolic_link(path: Path, target: Path) -> str:
    path.symlink_to(target)
    return f"{path.name} is a symbolic link"


def hard_link(path: Path, target: Path) -> str:
    path.hardlink_to(target)
    return f"{path.name} has a second name"


def pipe(path: Path, _: Path) -> str:
    os.mkfifo(path)
    return f"{path.name} is a pipe"


FILES, FOLDERS = ("metrics.jsonl", "control.jsonl", "log.txt"), ("evaluation", "checkpoints")


@pytest.mark.parametrize(
    ("name", "put"),
    [(name, put) for name in (*FILES, *FOLDERS) for put in (symbolic_link, pipe)]
    + [(name, hard_link) for name in FILES],
)
def test_only_own_files_are_written(place: Path, name: str, put: Callable[[Path, Path], str]) -> None:
    bad = run(place / "runs", "bad", status="stopped")
    path = bad.path / name
    if path.exists():
        path.rename(place / "aside")
    problem = put(path, place / "beside" if name in FOLDERS else place / "beside" / "precious")
    before = picture(place)
    for attempt in (
        lambda: send(bad, "pause"),
        lambda: resume_in_background(bad),
        lambda: resume_run(bad, lambda *_: None, Inbox(bad)),
    ):
        with pytest.raises(RunError, match=problem):
            attempt()
    assert picture(place) == before


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_becomes_a_link_is_not_written_to(place: Path, name: str) -> None:
    bad = run(place / "runs", "bad", status="stopped")
    shutil.rmtree(bad.path / name)
    (bad.path / name).symlink_to(place / "beside")
    before = picture(place)
    write: dict[str, Callable[[], object]] = {
        "evaluation": lambda: bad.write_evaluation(EVALUATION),
        "checkpoints": lambda: checkpoint.save(bad.checkpoints / "last.safetensors", {"epoch": 1}),
    }
    with pytest.raises(OSError, match=f"{name} is a symbolic link"):
        write[name]()
    assert picture(place) == before


def test_the_runs_folder_may_be_a_link(place: Path) -> None:
    (place / "runs").rename(place / "disk")
    (place / "runs").symlink_to(place / "disk")
    other = run(place / "runs", "other", status="stopped")
    assert [path.name for path in (place / "disk").iterdir() if path.name == other.id]
    send(other, "pause")
    checkpoint.save(other.checkpoints / "last.safetensors", {"epoch": 1})


class Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.fuse),)


def test_a_checkpoint_that_would_run_code_is_refused_unexecuted(place: Path) -> None:
    bad, fuse = run(place / "runs", "bad", status="stopped"), place / "exploded"
    for name in ("last", "best"):
        (bad.checkpoints / f"{name}.safetensors").write_bytes(pickle.dumps(Bomb(fuse)))
    for command in ("evaluate", "resume"):
        done = tuitrain(place, command, "bad")
        assert done.returncode == 2, done.stderr
        assert "last.safetensors is damaged" in done.stderr
        assert "Traceback" not in done.stderr
        assert not fuse.exists()
    # It is a real one.
    pickle.loads((bad.checkpoints / "last.safetensors").read_bytes())
    assert fuse.exists()


async def test_the_app_opens_them_all(place: Path) -> None:
    """Open each run from the table, and all pages of the most hostile ones."""
    for case in FATAL:
        FATAL[case][0](run(place / "runs", f"fatal {case}"))
    for case in SHOWN:
        SHOWN[case](run(place / "runs", f"shown {case}"))
    before = picture(place)
    app = TuitrainApp(place / "runs", ThreadHost())

    def seen() -> str:
        return "\n".join(strip.text for strip in strips(app))

    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        app.screen.tick()
        await pilot.pause()
        assert all(plain(reason)[:12] in seen() for _, reason in FATAL.values())
        for _ in range(len(FATAL) + len(SHOWN)):
            await pilot.press("enter")
            assert isinstance(app.screen, ResultsScreen)
            case = app.screen.run.info.name.removeprefix("shown ")
            assert not any(letter in seen() for letter in "\x1b\x07\x9b\u202e")
            for page in range(2, 9 if case in (HOSTILE, "rows of garbage", "a hostile log") else 2):
                await pilot.press(str(page))
                assert not any(letter in seen() for letter in "\x1b\x07\x9b\u202e")
            await pilot.press("escape", "down")
            assert isinstance(app.screen, HomeScreen)
    assert app._exception is None
    assert picture(place) == before
