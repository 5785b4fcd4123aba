import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, find_id, folders, is_run_folder, new_id, shown_status, slug
from tuitrain.runs.process import this_process
from tuitrain.runs.records import Best, Evaluation, RunInfo, Sample, Score, State, Status
from tuitrain.runs.writer import create

HOSTILE = [
    "",
    "../../etc/passwd",
    "/",
    ".",
    "..",
    "\x1b[2J\x07",
    "[red]x[/]",
    "a\nb\0c",
    "x" * 500,
    "naïve 数字",
    "-rf",
]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", RunInfo(id="", name="one"), override(Config(), ["optimizer.lr=0.25"]))


def evaluation(**changes: object) -> Evaluation:
    whole = Evaluation(
        split="test",
        checkpoint="last",
        epoch=2,
        step=40,
        loss=0.25,
        accuracy=0.75,
        classes=["cat", "dog"],
        confusion=[[3, 1], [0, 4]],
        worst=[Sample(7, 0, 1, 0.9, 2, 2, 1, b"\x00\x10\x20\xff")],
    )
    return msgspec.structs.replace(whole, **changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mnist-mlp-adam", "mnist-mlp-adam"),
        ("My Run, No. 2!", "my-run-no-2"),
        ("../../x", "x"),
        ("数字", ""),
        ("-" * 50, ""),
        ("ab" * 19 + "a--b", "ab" * 19 + "a-"[:1]),
    ],
)
def test_slugs(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_is_a_plain_file_name_that_sorts_by_time(name: str) -> None:
    one, later = (new_id(name, Path(), seconds) for seconds in (1_700_000_000, 1_700_086_400))
    assert one < later
    assert one == Path(one).name
    assert len(one) < 80
    assert set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not one.endswith("-")


def test_two_runs_of_one_second_have_two_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [b"\0\0", b"\0\0", b"\0\1"]
    monkeypatch.setattr("os.urandom", lambda _: drawn.pop(0))
    (tmp_path / new_id("same", tmp_path, 1_700_000_000)).mkdir()
    assert new_id("same", tmp_path, 1_700_000_000).endswith("-same-0001")


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\0" not in name])
def test_a_run_of_any_name_stays_in_its_folder_and_keeps_its_name(tmp_path: Path, name: str) -> None:
    made = create(tmp_path / "runs", RunInfo(id="", name=name), Config())
    assert made.path.parent == tmp_path / "runs"
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [made.id]
    assert made.info().name == name
    assert made.info().id == made.id


def test_written_records_are_read_back(folder: RunFolder) -> None:
    assert folder.config().optimizer.lr == 0.25
    assert folder.state().status == "queued"
    assert folder.evaluation("test") is None
    folder.write_evaluation(evaluation())
    folder.write_evaluation(evaluation(checkpoint="best", accuracy=0.5))
    assert folder.evaluation("test") == evaluation()
    best = folder.evaluation("test", "best")
    assert best is not None
    assert best.accuracy == 0.5
    assert folder.evaluation("validation") is None
    assert folder.best_test(State()) == folder.evaluation("test")
    of_best = State(best=Best(best.epoch, best.step, Score(0.1, 0.9)))
    assert folder.best_test(of_best) == best
    better_since = State(best=Best(best.epoch + 1, best.step + 1, Score(0.1, 0.9)))
    assert folder.best_test(better_since) == folder.evaluation("test")


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["cat"]},
        {"confusion": [[3, 1]]},
        {"confusion": [[3, 1], [0]]},
        {"confusion": []},
        {"confusion": [[3, -1], [0, 4]]},
        {"confusion": [[3, 10**30], [0, 4]]},
        {"worst": [Sample(7, 0, 2, 0.9, 1, 1, 1, b"x")]},
        {"worst": [Sample(7, -1, 1, 0.9, 1, 1, 1, b"x")]},
        {"worst": [Sample(7, 0, 1, 0.9, 10**40, 1, 1, b"x")]},
    ],
)
def test_an_evaluation_that_does_not_fit_together_is_damaged(folder: RunFolder, changes: dict[str, object]) -> None:
    folder.write_evaluation(evaluation(**changes))
    with pytest.raises(RunError, match=r"test\.json is damaged"):
        folder.evaluation("test")


@pytest.mark.parametrize("content", [b"", b"{", b"[[" * 50_000, b'{"split": "train"}', b"\xff"])
def test_an_evaluation_that_is_garbage_is_damaged(folder: RunFolder, content: bytes) -> None:
    (folder.evaluations / "test.json").write_bytes(content)
    with pytest.raises(RunError, match=r"test\.json is damaged"):
        folder.evaluation("test")


def test_a_run_of_another_format_says_so(folder: RunFolder) -> None:
    folder.info_file.write_bytes(folder.info_file.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(RunError, match="has format 2; this tuitrain reads format 1"):
        folder.info()


@pytest.mark.parametrize(
    "toml",
    [
        "[",
        "[model]\nname = 'no such'",
        "[training]\nepochs = " + "9" * 5000,
        "[training]\nepochs = 0x" + "f" * 5000,
        "[optimizer]\nlr = 1" + "0" * 400,
        "[optimizer]\nlr = nan",
        "[model]\nhidden = [[[0x" + "f" * 5000 + "]]]",
        "data = 0x" + "f" * 5000,
        "[data]\ndir = 2020-01-01",
        "[data]\nbatch_size = " + "[" * 50_000,
    ],
)
def test_a_config_that_is_garbage_is_damaged(folder: RunFolder, toml: str) -> None:
    folder.config_file.write_text(toml)
    with pytest.raises(RunError, match=r"config\.toml is damaged"):
        folder.config()


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_a_run_whose_process_is_gone_is_interrupted(status: Status) -> None:
    gone = msgspec.structs.replace(this_process(), born=1.0)
    assert shown_status(State(status=status, process=this_process())) == status
    assert shown_status(State(status=status, process=gone, heartbeat=time.time())) == "interrupted"
    assert shown_status(State(status=status)) == "interrupted"


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_a_run_that_has_ended_needs_no_process(status: Status) -> None:
    assert shown_status(State(status=status)) == status


def test_folders_are_those_that_hold_something_of_a_run_newest_first(tmp_path: Path) -> None:
    names = [f"20260101-00000{number}-run" for number in range(6)]
    random.Random(0).shuffle(names)
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / random.Random(name).choice(["run.json", "state.json", "metrics.jsonl"])).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "run.json").touch()
    (tmp_path / "link").symlink_to(tmp_path / names[0])
    (tmp_path / "run.json").touch()
    assert [folder.id for folder in folders(tmp_path)] == sorted(names, reverse=True)


def test_a_missing_runs_folder_has_no_runs(tmp_path: Path) -> None:
    assert list(folders(tmp_path / "none")) == []


def test_a_runs_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file cannot be read: Not a directory"):
        list(folders(tmp_path / "file"))


def test_a_changed_config_keeps_its_comments(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.config_file.write_text(f"# mine\n{folder.config_file.read_text()}")
    folder.write_config(override(Config(), ["optimizer.lr=0.125"]))
    assert folder.config().optimizer.lr == 0.125
    assert folder.config_file.read_text().startswith("# mine\n")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tuitrain.runs.folder.replace", fail)
    with pytest.raises(RunError, match=r"config\.toml cannot be written: No space left on device"):
        folder.write_config(Config())
    assert folder.config().optimizer.lr == 0.125


@pytest.mark.parametrize("name", ["metrics.jsonl", "control.jsonl", "log.txt", "evaluation", "checkpoints"])
def test_a_run_writes_only_to_its_own_files(folder: RunFolder, tmp_path: Path, name: str) -> None:
    folder.check_own_files()
    path, outside = folder.path / name, tmp_path / "outside"
    if path.exists():
        path.rename(outside)
    else:
        outside.write_text("precious")
    path.symlink_to(outside)
    with pytest.raises(RunError, match=rf"The run cannot be written: {name} is a symbolic link"):
        folder.check_own_files()


def test_an_evaluation_beside_another_keeps_it(folder: RunFolder) -> None:
    folder.write_evaluation(evaluation())
    folder.write_evaluation(evaluation(fingerprint="abc", accuracy=0.125), beside=True)
    assert folder.evaluation("test") == evaluation()
    assert sorted(path.name for path in folder.evaluations.iterdir()) == ["test-abc.json", "test.json"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("20260101-1", "20260101-1-a-0001"), ("0002", "20260102-1-b-0002"), ("b", "20260102-1-b-0002"), ("c", "x/c"),
     ("", None), ("nothing", None), ("2026010", ValueError), ("twice", ValueError), ("x", "x/c")],
)  # fmt: skip
def test_an_id_is_found_by_its_beginning_its_end_or_a_name(wanted: str, found: str | type[ValueError] | None) -> None:
    names = {"20260101-1-a-0001": "twice", "20260102-1-b-0002": "b", "x/c": "twice"}

    def name(id: str) -> str:
        if id == "20260101-1-a-0001" and wanted == "b":
            raise RunError("damaged")
        return names[id]

    if found is ValueError:
        with pytest.raises(RunError, match=rf"'{wanted}' matches 2 runs: .*, .*\."):
            find_id(wanted, names, name, "runs")
    else:
        assert find_id(wanted, names, name, "runs") == found


@pytest.mark.parametrize(("name", "is_run"), [("20260101-000000-one-00ff", True), ("notes", False)])
def test_a_folder_that_cannot_be_read_is_a_run_if_it_is_named_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_run: bool
) -> None:
    (tmp_path / name).mkdir()
    assert is_run_folder(tmp_path / name) is is_run

    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        assert is_run_folder(tmp_path / name) is is_run
    (tmp_path / name / "events.out.tfevents.1.host.1.0").touch()
    assert not is_run_folder(tmp_path / name)
    (tmp_path / name / "state.json").symlink_to("gone")
    assert is_run_folder(tmp_path / name)
