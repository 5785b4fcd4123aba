"""Runs, sweeps and files from elsewhere, whose code leaves a file behind if it runs."""

from pathlib import Path

from tuitrain.cli.parser import parse
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.writer import create, encode_pretty

QUICK = ("training.device=cpu", "training.threads=1", "training.epochs=1", "model.hidden=[4]")


SWEEP = "[sweep]\nname = 'theirs'\n{}[sweep.values]\n'optimizer.lr' = [0.1]\n"


FUNCTIONS = """
def same(images):
    return images


def Net(classes, channels, image_size):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, classes))
"""


def call(*arguments: str | Path) -> int:
    """Run a command in this process, and return its exit status."""
    options = parse([str(argument) for argument in arguments])
    code: int = options.run(options)
    return code


class Planted:
    """Code in `folder`: a transform, a network and a command, which create the file `ran`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = folder / "ran"
        self.file = folder / "planted.py"
        self.file.write_text(f"open({str(self.ran)!r}, 'w')\n{FUNCTIONS}")
        self.transform = f"data.transform={self.file}:same"
        self.model = f"model.name={self.file}:Net"
        self.command = f"notify.command=touch {self.ran}"

    def config(self, *settings: str) -> Config:
        return override(Config(), (*QUICK, *settings))

    def run(self, *settings: str, copy: bytes | None = None) -> RunFolder:
        """Return an interrupted run that this user has not started, with a `copy` of the file."""
        sources = {} if copy is None else {str(self.file): copy}
        folder = create(self.folder / "runs", RunInfo(id="", name="theirs"), self.config(*settings), "", sources)
        folder.state_file.write_bytes(encode_pretty(State(status="running", epochs=1)))
        return folder

    def toml(self, *settings: str, sweep: str = "") -> Path:
        """Return a file with settings, and with the section `sweep` of a sweep."""
        values = dict(setting.split("=", 1) for setting in settings)
        texts = {"data.transform": "[data]\ntransform", "notify.command": "[notify]\ncommand"}
        name = f"name = '{values.pop('model.name')}'\n" if "model.name" in values else ""
        head = f"[model]\nhidden = [4]\n{name}[training]\nepochs = 1\ndevice = 'cpu'\nthreads = 1\n"
        path = self.folder / "theirs.toml"
        path.write_text(head + "".join(f"{texts[key]} = '{value}'\n" for key, value in values.items()) + sweep)
        return path

    def sweep(self, *settings: str, options: str = "") -> SweepFolder:
        """Return a sweep that this user has not started."""
        return create_sweep(self.folder / "runs", self.toml(*settings, sweep=SWEEP.format(options)).read_text())
