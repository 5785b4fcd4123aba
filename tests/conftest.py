"""Fixtures for all tests: no test touches the user's own folders or leaves torch's global settings changed."""

import gc
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import settled_pilot
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, train_new_run
from tuitrain.runs.control import Command, CommandName, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

pytest_plugins = ["written_runs", "fake_slurm"]
ROOT = Path(__file__).parent.parent
# One thread: small networks gain nothing from more, and results are bit-identical on any machine.
QUICK = ("training.device=cpu", "training.threads=1")
# Files and folders that start processes or terminals, train for long, or test what torch computes, which no version of
# Python changes: `-m "not slow"` leaves them out.
SLOW = (
    "app/test_bursts.py", "app/test_crash.py", "app/test_fuzz.py", "app/test_other_tools.py", "app/test_outlive.py",
    "app/test_palette.py", "app/test_terminal.py", "app/test_typed_ahead.py", "app/test_warmup.py",
    "app/test_which_is_better.py", "cli/", "docs/", "hosts/alerts/test_watch.py", "hosts/distributed/", "hosts/doctor/",
    "hosts/pack/test_install.py", "hosts/preview/", "hosts/queue/test_killed.py", "hosts/slurm/test_cluster.py",
    "hosts/test_background", "hosts/test_log_capture.py", "hosts/test_preload.py", "hosts/test_signals.py",
    "hosts/test_thread.py", "integrations/", "logger/test_processes.py", "report/test_content.py",
    "report/test_drawing.py",
    "runs/test_damaged.py", "runs/test_full_disk.py", "runs/test_owner.py", "screens/compare/", "screens/new_run/",
    "screens/predict/", "screens/results/", "screens/sweep/", "screens/test_", "screens/training/", "test_imports.py",
    "training/cuda_graphs/", "training/data/", "training/distributed/", "training/estimate/", "training/evaluation/",
    "training/explain/", "training/export/", "training/fine_tuning/", "training/loop/", "training/lr_finder/",
    "training/models/", "training/optim/", "training/prediction/", "training/run/test_augmented_runs.py",
    "training/run/test_detach.py", "training/run/test_extension.py", "training/run/test_resume", "training/stacking/",
    "training/test_backward.py", "training/test_mnist.py", "training/weights/",
)  # fmt: skip
# Files with tests that take as long as hundreds of others, because they start, kill and resume processes that load
# torch, or train on all of MNIST. They run first, so that no core waits for the last of them.
COSTLY = (
    "app/test_crash.py", "app/test_outlive.py", "app/test_terminal.py", "cli/test_doctor.py", "cli/test_sweep.py",
    "hosts/distributed/", "hosts/queue/test_killed.py", "hosts/slurm/test_cluster", "hosts/test_background",
    "hosts/test_signals.py", "training/distributed/test_equality.py", "training/run/test_resume",
    "training/test_mnist.py",
)  # fmt: skip
# Matplotlib looks for fonts once, instead of once per process.
os.environ.setdefault("MPLCONFIGDIR", str(ROOT / ".pytest_cache" / "matplotlib"))
# A shell starts its background jobs with SIGINT ignored, and nohup ignores SIGHUP. The processes that tests interrupt
# would inherit that.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
# pytest-xdist may set these, which would override the size of every terminal that a test opens.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
# Every module of the suite stays loaded: looking for garbage among them as often as usual takes a tenth of the time.
gc.set_threshold(20_000, 20, 50)


@cache
def is_among(files: tuple[str, ...], path: Path) -> bool:
    return path.relative_to(ROOT / "tests").as_posix().startswith(files)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import what will not run: torchvision and timm take seconds in each worker."""
    skipped = {"not slow": SLOW, "not costly": COSTLY}.get(config.option.markexpr, ())
    return (collection_path.is_file() and is_among(skipped, collection_path)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_among(SLOW, item.path):
            item.add_marker("slow")
        if is_among(COSTLY, item.path):
            item.add_marker("costly")
    items.sort(key=lambda item: not is_among(COSTLY, item.path))


def pytest_xdist_auto_num_workers() -> int:
    """Two workers per core, because tests mostly wait for a screen or a process."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Return the folder that contains MNIST/raw."""
    folder = Path(os.environ.get("TUITRAIN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {folder}; set TUITRAIN_TEST_DATA to the folder that contains MNIST/raw")
    return folder.resolve()


@pytest.fixture(autouse=True)
def settled_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    settled_pilot.install(monkeypatch)
    # On a loaded machine, the runs table would read the first runs in several turns.
    monkeypatch.setattr("tuitrain.screens.home.screen.FIRST_SLICE", 60.0)


@pytest.fixture(autouse=True)
def isolated_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("xdg")
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))


@pytest.fixture(autouse=True)
def restored_torch_settings() -> Iterator[None]:
    """Undo what training configures in its thread, which here is the thread of all tests."""
    threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    cublas = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    yield
    if "torch" not in sys.modules:
        return
    import torch

    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
    if cublas is None:
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.fixture
def quick() -> Callable[..., Config]:
    """`quick("optimizer.lr=0.1", …)` returns the default configuration on one CPU thread, with overrides."""
    return lambda *settings: override(Config(), (*QUICK, *settings))


@pytest.fixture
def train(quick: Callable[..., Config], tmp_path: Path) -> Callable[..., Follower]:
    """`train("optimizer.lr=0.1", …)` trains a whole run in this thread and returns everything it wrote."""

    def train(*settings: str) -> Follower:
        folders: list[RunFolder] = []

        def created(folder: RunFolder, _: Inbox) -> None:
            folders.append(folder)

        train_new_run(RunSpec(config=quick(*settings), runs_dir=tmp_path / "runs"), lambda *_: None, created)
        return read(folders[0])

    return train


def read(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    assert not follower.problem
    assert not follower.damaged_rows
    return follower


@pytest.fixture(name="read")
def read_fixture() -> Callable[[RunFolder], Follower]:
    """`read(folder)` returns everything that a run wrote."""
    return read


class PollInbox(Inbox):
    """Sends one command at the given poll, counted from 1; `polls` counts them.

    If the loop's POLL_INTERVAL is 0, it polls after every step and once more at the end of an epoch.
    """

    def __init__(self, folder: RunFolder, poll: int, name: CommandName = "stop") -> None:
        super().__init__(folder)
        self.polls, self._poll, self._name = 0, poll, name

    def new(self) -> list[Command]:
        self.polls += 1
        return [Command(self._name, 0.0)] if self.polls == self._poll else []


@pytest.fixture
def poll_inbox() -> type[PollInbox]:
    return PollInbox


@pytest.fixture
def interrupted(tmp_path: Path) -> Callable[[Config, str], tuple[RunFolder, RunFolder]]:
    """`interrupted(config, seed)` trains two runs; the second one stops at a random poll and resumes."""

    def train(config: Config, seed: str) -> tuple[RunFolder, RunFolder]:
        whole, cut = (create_run(RunSpec(config=config, runs_dir=tmp_path / "runs")) for _ in range(2))
        inbox = PollInbox(whole, 0)
        resume_run(whole, lambda *_: None, inbox)
        stop = PollInbox(cut, random.Random(seed).randrange(1, inbox.polls))
        assert resume_run(cut, lambda *_: None, stop).status == "stopped"
        assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
        return whole, cut

    return train
