"""Which libraries each command loads: only training may load torch, which takes seconds."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation, RunInfo
from tuitrain.runs.writer import RunWriter, create

HEAVY = {"torch", "torchvision", "sklearn", "numpy", "scipy", "matplotlib", "jinja2"}
TERMINAL = {"textual", "rich", "plotext"}
PROJECT = Path(__file__).parents[1] / "pyproject.toml"
COMMANDS = """\
import sys
from tuitrain.cli import main
for command in sys.argv[1:]:
    try:
        main(command.split())
    except SystemExit as end:
        assert not end.code, end.code
"""
APP = """\
import asyncio, sys
from pathlib import Path
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.widgets.tables.runs import RunTable

async def look() -> None:
    app = TuitrainApp(Path("runs"), ThreadHost())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert len(app.screen.query_one(RunTable).entries) == 1
        for key, screens in (("enter", 2), ("escape", 1), ("n", 2)):
            await pilot.press(key)
            await pilot.pause()
            assert len(app.screen_stack) == screens, app.screen_stack

asyncio.run(look())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run in `runs`, written without training."""
    home = tmp_path_factory.mktemp("home")
    folder = create(home / "runs", RunInfo(id="", name="one"), Config())
    writer = RunWriter(folder)
    writer.event("started")
    writer.update(status="finished")
    writer.close()
    RunFolder(folder.path).write_evaluation(
        Evaluation(
            split="test",
            checkpoint="last",
            epoch=1,
            step=1,
            loss=0.5,
            accuracy=0.75,
            classes=["a", "b"],
            confusion=[[2, 0], [1, 1]],
        )
    )
    return home


def loaded_modules(home: Path, script: str, *arguments: str) -> set[str]:
    """Return the top-level modules loaded by a process that runs `script`."""
    names = (
        "\nimport json, sys\nsys.stderr.write('\\n' + json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script + names, *arguments], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert "tuitrain" in modules
    return modules


def test_help_and_config_load_neither_torch_nor_textual(home: Path) -> None:
    commands = ("--help", "--version", "train --help", "config", "config --json")
    assert loaded_modules(home, COMMANDS, *commands).isdisjoint(HEAVY | TERMINAL)


def test_showing_runs_does_not_load_torch(home: Path) -> None:
    commands = ("runs", "runs --json", "show one", "show one --json")
    assert loaded_modules(home, COMMANDS, *commands).isdisjoint(HEAVY | {"textual", "plotext"})


def test_a_script_that_logs_loads_only_what_it_needs(home: Path) -> None:
    assert loaded_modules(home, "import tuitrain").isdisjoint(HEAVY | TERMINAL | {"msgspec"})
    assert "msgspec" in loaded_modules(home, "from tuitrain import config\nimport tuitrain.config.schema")
    logs = "import tuitrain\nwith tuitrain.init(runs_dir='logged') as run:\n    run.log({'a': 1.0, 'b': 2})"
    assert loaded_modules(home, logs).isdisjoint(HEAVY | TERMINAL)


def test_the_app_does_not_load_torch(home: Path) -> None:
    """Neither on the screen of the runs, nor on those of a run and of a new one."""
    modules = loaded_modules(home, APP)
    assert "textual" in modules
    assert modules.isdisjoint(HEAVY)


def test_a_report_does_not_load_torch(home: Path) -> None:
    modules = loaded_modules(home, COMMANDS, "report one -o one.html")
    assert {"matplotlib", "jinja2"} <= modules
    # pyplot would choose a backend, and keep figures.
    assert modules.isdisjoint({"torch", "torchvision", "sklearn", "textual"})


def test_training_loads_neither_the_compiler_nor_scikit_learn(home: Path) -> None:
    """Each of these takes longer to load than torch itself."""
    script = """\
import sys
from tuitrain.cli import main
from tuitrain.config.schema import Model
from tuitrain.hosts.preview.preview import summarize_network
for optimizer in ("adam", "sgd", "muon"):
    settings = (f"optimizer.name={optimizer}", "training.epochs=1", "training.device=cpu", "training.threads=1")
    assert main(["train", *(part for setting in settings for part in ("--set", setting))]) == 0
for name in ("mlp", "cnn"):
    assert summarize_network(Model(name=name), (1, 28, 28), 10).parameters > 10_000
assert "torch" in sys.modules
print(*sorted({"torch._dynamo", "torch._inductor", "sklearn", "sympy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # torch 2.9 imports sympy to initialize parameters on the meta device.
    allowed = {"", "sympy"} if version("torch").startswith("2.9.") else {""}
    assert done.stdout.splitlines()[-1] in allowed


def test_imports_follow_the_layers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(PROJECT.parent)
    status = lint_imports(config_filename=str(PROJECT), no_cache=True, no_logo=True)
    output = capsys.readouterr().out
    assert status == 0, output
    assert "6 kept, 0 broken" in output
