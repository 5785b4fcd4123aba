import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from tuitrain.analysis.table.columns import columns
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.catalog import listing
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import find, find_all
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import RunInfo, Score
from tuitrain.runs.rows import Train
from tuitrain.runs.writer import RunWriter, create
from written_runs import list_runs

FILES = ("run.json", "state.json", "config.toml", "metrics.jsonl", "log.txt")
Damage = Callable[[Path], None]


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def finished(runs_dir: Path, name: str = "one") -> RunFolder:
    folder = create(runs_dir, RunInfo(id="", name=name), Config())
    writer = RunWriter(folder)
    writer.row(Train(10, 1, 0.5, 0.5, 0.1, 1.0, 2.0, 0.3, (0.1, 0.2)))
    writer.log("a line")
    writer.update(status="finished", epoch=1, epochs=1, step=10, steps=10, seconds=1.0, test=Score(0.5, 0.9))
    writer.close()
    return folder


def look(runs_dir: Path) -> list[str]:
    """List, follow and show all runs; return their statuses."""
    entries = list_runs(runs_dir)
    index = RunIndex(runs_dir)
    assert [entry.status for entry in index.refresh()] == [entry.status for entry in entries]
    assert [entry.status for entry in index.refresh()] == [entry.status for entry in entries]
    for entry in entries:
        assert (entry.status == "damaged") == bool(entry.problem)
        texts = [column.text(entry) for column in columns().values()]
        assert all(text.isprintable() and len(text) <= 400 for text in texts)
        run = Follower(entry.folder)
        for _ in range(3):
            run.poll(budget=0)
        assert run.status == entry.status
    return [entry.status for entry in entries]


def put(content: bytes) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        path.write_bytes(content)

    return damage


def swap(old: bytes, new: bytes) -> Damage:
    return lambda path: put(path.read_bytes().replace(old, new))(path)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_instead(target: str) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return damage


def circle_instead(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


ANYWHERE: dict[str, Damage] = {
    "missing": Path.unlink,
    "empty": put(b""),
    "garbage": put(bytes(range(256)) * 100),
    "zeros": put(bytes(10_000)),
    "deep": put(b"[" * 200_000),
    "deep objects": put(b'{"a":' * 100_000),
    "null": put(b"null\n"),
    "folder": folder_instead,
    "pipe": pipe_instead,
    "link out": link_instead("/etc/passwd"),
    "link to a device": link_instead("/dev/zero"),
    "circle": circle_instead,
    "not UTF-8": put(b'{"status": "\xff\xfe", "name": "\xff\xfe"}\n'),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ANYWHERE)
def test_a_damaged_run_is_listed_and_spoils_no_other(tmp_path: Path, name: str, damage: str) -> None:
    good, bad = finished(tmp_path, "good"), finished(tmp_path, "bad")
    path = bad.path / name
    ANYWHERE[damage](path)
    fatal = name in ("run.json", "state.json") or (name == "config.toml" and damage != "empty")
    expected = {good.id: "finished", bad.id: "damaged" if fatal else "finished"}
    assert look(tmp_path) == [expected[one] for one in sorted(expected, reverse=True)]


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_byte(tmp_path: Path, name: str) -> None:
    folder = finished(tmp_path)
    content = (folder.path / name).read_bytes()
    # One cut in every part of a line, and all near the end.
    for end in (*range(0, len(content), 11), *range(len(content) - 20, len(content))):
        (folder.path / name).write_bytes(content[:end])
        (status,) = look(tmp_path)
        assert status == "finished" or name.endswith((".json", ".toml"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("run.json", swap(b'"format": 1', b'"format": 99')),
        ("run.json", swap(b'"parameters": 0', b'"parameters": 1' + b"0" * 300)),
        ("run.json", swap(b'"threads": 0', b'"threads": -1')),
        ("state.json", swap(b'"step": 10', b'"step": 1' + b"0" * 300)),
        ("state.json", swap(b'"steps": 10', b'"steps": -10')),
        ("state.json", swap(b'"seconds": 1.0', b'"seconds": 1e999')),
        ("state.json", swap(b'"finished"', b'"exploded"')),
        ("config.toml", put(b"[training]\nepochs = 1" + b"0" * 5000)),
        ("config.toml", put(b"[training]\nepochs = 0x" + b"f" * 5000)),
        ("config.toml", put(b"[optimizer]\nlr = inf")),
        ("config.toml", put(b"[nonsense]\n")),
    ],
)
def test_numbers_and_words_that_cannot_be_are_damage(tmp_path: Path, name: str, damage: Damage) -> None:
    folder = finished(tmp_path)
    before = (folder.path / name).read_bytes()
    damage(folder.path / name)
    assert (folder.path / name).read_bytes() != before
    assert look(tmp_path) == ["damaged"]


@pytest.mark.parametrize("status", ["queued", "running", "paused", "finished", "stopped", "failed"])
@pytest.mark.parametrize("number", [b"0", b"5e-324", b"1e308", b"-1e308", b"-0.0"])
def test_the_largest_and_smallest_numbers_are_shown(tmp_path: Path, status: str, number: bytes) -> None:
    folder = finished(tmp_path)
    path = folder.state_file
    for old, new in (
        (b'"finished"', b'"%s"' % status.encode()),
        (b'"seconds": 1.0', b'"seconds": ' + number),
        (b'"steps": 10', b'"steps": 9007199254740992'),
        (b'"samples_per_second": 0.0', b'"samples_per_second": ' + number),
        (b'"accuracy": 0.9', b'"accuracy": ' + number),
    ):
        swap(old, new)(path)
    assert look(tmp_path) == [status]


@pytest.mark.parametrize(
    "name", ["\x1b[2J\x1b]0;x\x07", "[red]bold[/] [@click=app.quit]x[/]", "up/../../up", "\u202eevil", ""]
)
def test_hostile_names_are_text(tmp_path: Path, name: str) -> None:
    hostile = tmp_path / (name.replace("/", "|") or "\x1b[31m")
    finished(tmp_path, name).path.rename(hostile)
    (hostile / "state.json").write_bytes(b"{\x1b[2J")
    assert look(tmp_path) == ["damaged"]


def test_an_empty_folder_and_one_of_other_things_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "deep").mkdir(parents=True)
    assert look(tmp_path) == []


def test_a_folder_that_goes_away_while_it_is_listed(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    run = Follower(folder)
    run.poll()
    folder.path.rename(tmp_path / "elsewhere")
    assert run.poll()
    assert run.status == "damaged"
    assert list(run.train.step) == [10]


def test_a_run_is_found_by_id_beginning_end_name_and_path(tmp_path: Path) -> None:
    one, two = finished(tmp_path, "one"), finished(tmp_path, "two")
    token = two.id.rpartition("-")[2]
    for wanted in (two.id, two.id[: len(two.id) - 2], token, "two", str(two.path), f"{two.path}/"):
        assert find(tmp_path, wanted).path == two.path, wanted
    assert find(tmp_path / "elsewhere", str(one.path)).id == one.id


def test_a_word_is_a_run_of_the_runs_folder_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, "elsewhere").path.rename(tmp_path / "word")
    monkeypatch.chdir(tmp_path)
    run = finished(tmp_path / "runs", "word")
    assert find(tmp_path / "runs", "word").path == run.path
    for path in ("./word", "word/", str(tmp_path / "word")):
        assert find(tmp_path / "runs", path).path.absolute() == tmp_path / "word"


def test_a_run_with_damage_is_found_by_its_path(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    folder.info_file.unlink()
    assert find(tmp_path, str(folder.path)).id == folder.id


def test_a_whole_id_wins_over_longer_ones(tmp_path: Path) -> None:
    for name in ("20260101-run", "20260101-run-2", "20260101-run-3"):
        finished(tmp_path).path.rename(tmp_path / name)
    assert find(tmp_path, "20260101-run").id == "20260101-run"
    with pytest.raises(RunError, match=r"'20260101' matches 3 runs: .* Type more of the id"):
        find(tmp_path, "20260101")
    finished(tmp_path).path.rename(tmp_path / "20260102-other-3")
    with pytest.raises(RunError, match=r"'3' matches 2 runs: "):
        find(tmp_path, "3")


def test_a_name_that_two_runs_have_is_an_error_that_lists_both(tmp_path: Path) -> None:
    ids = [finished(tmp_path, "same").id for _ in range(2)]
    with pytest.raises(RunError, match="'same' matches 2 runs") as caught:
        find(tmp_path, "same")
    assert all(one in str(caught.value) for one in ids)


@pytest.mark.parametrize(
    "wanted", ["", "nothing", ".", "..", "../..", "/", "/etc/passwd", "a/" + "x" * 300, "x" * 5000, "\x1b[2J", "[b]"]
)
def test_a_missing_run_is_an_error_with_a_remedy(tmp_path: Path, wanted: str) -> None:
    folder = finished(tmp_path / "runs")
    with pytest.raises(RunError, match=r"No run .*(See: tuitrain runs|Did you mean)") as caught:
        find(tmp_path / "runs", wanted)
    assert "\x1b" not in str(caught.value)
    assert folder.path.exists()


def test_a_slip_of_the_pen_gets_a_hint(tmp_path: Path) -> None:
    folder = finished(tmp_path, "adam")
    with pytest.raises(RunError, match=f"Did you mean {folder.id}"):
        find(tmp_path, folder.id.replace("adam", "adm"))


def test_many_runs_are_listed_newest_first(tmp_path: Path) -> None:
    started = time.time()
    for number in range(40):
        finished(tmp_path).path.rename(tmp_path / f"20260101-{number:06}")
    entries = list_runs(tmp_path)
    assert [entry.folder.id for entry in entries] == [f"20260101-{number:06}" for number in reversed(range(40))]
    assert all(entry.info.created >= started - 1 for entry in entries)


def test_many_runs_are_found_from_one_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [finished(tmp_path, f"run {number}") for number in range(4)]
    listed: list[Path] = []
    read: list[str] = []
    all_folders, name_of = listing.all_folders, RunFolder.name

    def listing_once(path: Path) -> list[RunFolder]:
        listed.append(path)
        return all_folders(path)

    def name(folder: RunFolder) -> str:
        read.append(folder.id)
        return name_of(folder)

    monkeypatch.setattr(listing, "all_folders", listing_once)
    monkeypatch.setattr(RunFolder, "name", name)
    wanted = [folders[0].id, folders[1].id[-4:], "run 2", "run 3", str(folders[0].path)]
    assert [folder.id for folder in find_all(tmp_path, wanted)] == [folder.id for folder in (*folders, folders[0])]
    assert listed == [tmp_path]
    assert len(read) == len(set(read)) == len(folders)
    assert find_all(tmp_path, [str(folders[0].path)])[0].path == folders[0].path
    assert listed == [tmp_path]
