"""What all tests share: no test touches the user's own folders, and none leaves torch changed behind it."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, train_new_run
from tuitrain.runs.control import Command, CommandName, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

pytest_plugins = ["written_runs"]
ROOT = Path(__file__).parent.parent
# One thread: the networks are too small to share, and results are the same to the last bit on any machine.
QUICK = ("training.device=cpu", "training.threads=1")
# Set where tests run in several processes, they would be taken for the size of every terminal that a test opens.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder that holds MNIST/raw."""
    folder = Path(os.environ.get("TUITRAIN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {folder}; set TUITRAIN_TEST_DATA to the folder that holds MNIST/raw")
    return folder.resolve()


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("xdg")
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """Training sets its thread up for itself, and here that is the thread of all tests."""
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
    """`quick("optimizer.lr=0.1", …)`: the defaults, which are the digits, changed by KEY=VALUE."""
    return lambda *settings: override(Config(), (*QUICK, *settings))


@pytest.fixture
def train(quick: Callable[..., Config], tmp_path: Path) -> Callable[..., Follower]:
    """`train("optimizer.lr=0.1", …)`: a whole run, in this thread, and all that it wrote."""

    def train(*settings: str) -> Follower:
        made: list[RunFolder] = []

        def created(folder: RunFolder, _: Inbox) -> None:
            made.append(folder)

        train_new_run(RunSpec(config=quick(*settings), runs_dir=tmp_path / "runs"), lambda *_: None, created)
        return read(made[0])

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
    """All that a run wrote."""
    return read


class Cutter(Inbox):
    """Gives a command at one look of the loop: where its ATTENTION is 0 there is one a step, and one more at the end of
    an epoch."""

    def __init__(self, folder: RunFolder, look: int, name: CommandName = "stop") -> None:
        super().__init__(folder)
        self.looks, self._look, self._name = 0, look, name

    def new(self) -> list[Command]:
        self.looks += 1
        return [Command(self._name, 0.0)] if self.looks == self._look else []


@pytest.fixture
def cutter() -> type[Cutter]:
    return Cutter


@pytest.fixture
def interrupted(tmp_path: Path) -> Callable[[Config, str], tuple[RunFolder, RunFolder]]:
    """Trains a run at one go, and another that is stopped at a look drawn by the second argument, and resumed."""

    def train(config: Config, draw: str) -> tuple[RunFolder, RunFolder]:
        whole, cut = (create_run(RunSpec(config=config, runs_dir=tmp_path / "runs")) for _ in range(2))
        looks = Cutter(whole, 0)
        resume_run(whole, lambda *_: None, looks)
        stop = Cutter(cut, random.Random(draw).randrange(1, looks.looks))
        assert resume_run(cut, lambda *_: None, stop).status == "stopped"
        assert resume_run(cut, lambda *_: None, Inbox(cut)).status == "finished"
        return whole, cut

    return train
