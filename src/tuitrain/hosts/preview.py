"""What a configuration will come to, before anything is trained.

The network is looked at with torch, in a process of its own: loading torch stops every thread of the process that does
it for a while, and a thread that is inside torch when its program ends aborts it. The process answers each
configuration twice, first without torch, and ends with its standard input.
"""

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.datasets import FACTS
from tuitrain.config.schedule import factor
from tuitrain.config.schema import Config, Data, Model
from tuitrain.errors import ConfigError, DataError, TuitrainError
from tuitrain.text import plain

# Where torchvision keeps a data set below data.dir.
FOLDERS = {
    "mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw",
    "cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python",
}  # fmt: skip
IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
TEST_FRACTION = 0.2
MOST_FILES, MOST_SECONDS = 100_000, 5.0
# Tensors of a parameter's size that an optimizer keeps for it, beside a momentum; muon keeps one for some.
STATES = {"adam": 2, "adamw": 2, "nadam": 2, "radam": 2, "muon": 2, "rmsprop": 1, "adagrad": 1}
WITH_MOMENTUM = ("sgd", "rmsprop")


class Splits(Struct, frozen=True):
    """How many images there are of what `shape` (C, H, W); `place` says where, `partly` that not all were counted."""

    train: int
    validation: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    place: str
    partly: bool = False
    samples: tuple[str, ...] = ()


class Layer(Struct, frozen=True):
    kind: str
    output: tuple[int, ...]
    parameters: int


class Network(Struct, frozen=True):
    title: str
    parameters: int
    layers: tuple[Layer, ...]

    @property
    def batch_norm(self) -> bool:
        return any(layer.kind.startswith("BatchNorm") for layer in self.layers)


class Preview(Struct, frozen=True):
    """What is known of `config`; `over`: no more will be. `problem` is a sentence, `key` the setting at fault."""

    config: Config
    splits: Splits | None = None
    network: Network | None = None
    problem: str = ""
    key: str = ""
    over: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """0 where the size of the training split is not known."""
        count, size = self.splits.train if self.splits else 0, self.config.data.batch_size
        # As the loop does: a last batch of one image has no variance to normalise by.
        if self.network and self.network.batch_norm and size > 1 and count % size == 1:
            count -= 1
        return math.ceil(math.ceil(count / size) / self.config.optimizer.accumulate)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def bytes(self) -> int:
        """Of the parameters and what the optimizer keeps of them, in fp32."""
        optimizer = self.config.optimizer
        states = STATES.get(optimizer.name, 0) + (optimizer.name in WITH_MOMENTUM and optimizer.momentum > 0)
        return 4 * (1 + states) * (self.network.parameters if self.network else 0)

    def rates(self, points: int = 240) -> tuple[list[float], list[float]]:
        """Learning rates over the run, at epochs that are no more than `points`."""
        per_epoch, total = self.steps_per_epoch, self.steps
        steps = sorted({round(index * (total - 1) / (points - 1)) for index in range(points)}) if total else []
        schedule, peak = self.config.schedule, self.config.optimizer.lr
        return [step / per_epoch for step in steps], [peak * factor(schedule, step, per_epoch, total) for step in steps]


def splits(data: Data) -> Splits:
    """Without torch. Raises DataError where there is no folder of images to look into."""
    if data.dataset == "image-folder":
        return _image_folder(data)
    facts = FACTS[data.dataset]
    classes = len(facts.classes)
    counts = [len(range(label, facts.train, classes)) for label in range(classes)]
    validation = sum(shares(counts, data.validation))
    place = "built in" if data.dataset == "digits" else _place(data)
    return Splits(facts.train - validation, validation, facts.test, facts.shape, classes, place)


def shares(counts: Sequence[int], fraction: float) -> list[int]:
    """How many images of each class are held out, as training does it."""
    quotas = [fraction * count for count in counts]
    held = [math.floor(quota + 1e-9) for quota in quotas]
    missing = math.ceil(fraction * sum(counts) - 1e-9) - sum(held)
    for index in sorted(range(len(counts)), key=lambda index: held[index] - quotas[index]):
        if missing > 0 and held[index] < counts[index] - 1:
            held[index] += 1
            missing -= 1
    return held


def data_folder(data: Data) -> Path:
    import platformdirs

    if data.dir is not None:
        return Path(data.dir).expanduser()
    return platformdirs.user_cache_path("tuitrain", appauthor=False) / "data"


def _place(data: Data) -> str:
    root, inside = data_folder(data), FOLDERS[data.dataset]
    try:
        found = any((root / inside).iterdir())
    except OSError:
        found = False
    return f"found in {_home(root)}" if found else f"will be downloaded to {_home(root)}"


def _home(path: Path) -> str:
    home = Path.home()
    return plain(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else path)


def _image_folder(data: Data) -> Splits:
    if data.dir is None:
        raise ConfigError("image-folder needs the folder of your images.", key="data.dir")
    root = data_folder(data)
    names = _folders(root)
    split = "train" in names and bool(_folders(root / "train"))
    count = _Count(time.monotonic() + MOST_SECONDS)
    train = count.classes(root / "train" if split else root)
    if len(train) < 2:
        raise DataError(f"{_home(root)} has no folders of images, one for each class.")
    test = count.classes(root / "test") if split and "test" in names else None
    held = next((name for name in ("val", "valid", "validation") if split and name in names), None)
    validation = count.classes(root / held) if held and data.validation else None
    if test is None:
        test = shares(train, TEST_FRACTION)
        train = [all_ - some for all_, some in zip(train, test, strict=True)]
    if validation is None:
        validation = shares(train, data.validation)
        train = [all_ - some for all_, some in zip(train, validation, strict=True)]
    shape = (1 if data.channels == "grey" else 3, data.image_size, data.image_size)
    place = f"found in {_home(root)}, {len(train):,} classes"
    return Splits(
        sum(train), sum(validation), sum(test), shape, len(train), place, count.over, tuple(count.samples[::10][:64])
    )


def _folders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{plain(error.strerror)}: {_home(root)}.") from None


class _Count:
    """Counts images until there are very many, or it has taken long."""

    def __init__(self, until: float) -> None:
        self.until, self.over = until, False
        self.samples: list[str] = []

    def classes(self, root: Path) -> list[int]:
        return [sum(1 for _ in self._images(root / name)) for name in _folders(root)]

    def _images(self, folder: Path) -> Iterator[str]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if len(self.samples) >= MOST_FILES or time.monotonic() > self.until:
                    self.over = True
                    return
                if name.lower().endswith(IMAGES) and not name.startswith("."):
                    self.samples.append(f"{parent}/{name}")
                    yield name


@lru_cache(maxsize=64)
def network(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """Loads torch. Raises ConfigError where the network cannot be built so."""
    from tuitrain.training.models.summary import summarize

    found = summarize(model, shape, classes)
    layers = tuple(Layer(layer.kind, layer.output, layer.parameters) for layer in found.layers)
    return Network(found.title, found.parameters, layers)


def with_network(preview: Preview) -> Preview:
    """The second answer, which loads torch."""
    if preview.splits is None:
        return replace(preview, over=True)
    try:
        found = _shaped(preview.splits, preview.config.data)
        return replace(
            preview, splits=found, network=network(preview.config.model, found.shape, found.classes), over=True
        )
    except Exception as error:
        problem, key = _told(error)
        return replace(preview, problem=problem, key=key, over=True)


def _shaped(found: Splits, data: Data) -> Splits:
    """`auto` channels: grey where all images looked at are."""
    if data.dataset != "image-folder" or data.channels != "auto":
        return found
    from tuitrain.training.data.images import is_grey

    rgb = False in [is_grey(path) for path in found.samples]
    return replace(found, shape=(3 if rgb else 1, *found.shape[1:]))


def without_network(config: Config) -> Preview:
    """The first answer."""
    try:
        return Preview(config, splits(config.data))
    except Exception as error:
        problem, key = _told(error)
        return Preview(config, problem=problem, key=key)


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, TuitrainError):
        return plain(error), error.key if isinstance(error, ConfigError) else ""
    return plain(f"{type(error).__name__}: {error}", 200), ""


class Previewer:
    """Asks the process; `latest` is replaced, by another thread, whenever more is known. Use it from one thread."""

    def __init__(self) -> None:
        self.latest: Preview | None = None
        self._asked: Config | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, config: Config) -> None:
        """Call it as often as you like; what is asked while an answer is awaited must be asked again."""
        if config == self._asked or (self._asked and (self.latest is None or self.latest.config != self._asked)):
            return
        self._asked = config
        try:
            self._send(msgspec.json.encode(config) + b"\n")
        except OSError as error:
            self.latest = Preview(config, problem=f"No preview: {plain(error.strerror)}.", over=True)

    def _send(self, line: bytes) -> None:
        if self._process is None:
            # -P: a torch.py in the working folder is not torch.
            command = [sys.executable, "-P", "-m", "tuitrain.hosts.preview"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            # A daemon: it waits in a read, which nothing minds at the program's end.
            threading.Thread(target=self._read, args=(self._process,), name="preview", daemon=True).start()
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.latest = msgspec.json.decode(line, type=Preview)
        process.stdout.close()
        if self._process is process and self._asked is not None:
            self.latest = Preview(self._asked, problem="No preview: its process ended.", over=True)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):  # what was not written yet
                process.stdin.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer configurations, one a line, until there are no more; of those that wait for torch only the last."""
    newest = _Newest()
    lock = threading.Lock()

    def answer(preview: Preview) -> None:
        with lock:
            answers.write(msgspec.json.encode(preview) + b"\n")
            answers.flush()

    def look() -> None:
        while True:
            answer(with_network(newest.take()))

    threading.Thread(target=look, daemon=True).start()
    for line in requests:
        first = without_network(msgspec.json.decode(line, type=Config))
        answer(first)
        newest.put(first)


class _Newest:
    """Holds one preview, the last that was put."""

    def __init__(self) -> None:
        self._held: list[Preview] = []
        self._there = threading.Condition()

    def put(self, preview: Preview) -> None:
        with self._there:
            self._held = [preview]
            self._there.notify()

    def take(self) -> Preview:
        with self._there:
            self._there.wait_for(lambda: self._held)
            return self._held.pop()


if __name__ == "__main__":
    # The answers' own descriptor: what torch prints must not get between them.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out)
    finally:
        os._exit(0)
