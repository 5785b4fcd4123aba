"""The draft of the form is kept."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pexpect
import psutil
import pytest

from open_new_run import opened
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.records import RunInfo
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.widgets.messages import OpenNewRun


async def test_the_draft_is_restored_until_it_is_cleared(tmp_path: Path) -> None:
    async with opened(tmp_path) as form:
        await form.type("optimizer.lr", "0.1o")
        await form.type("name", "mine")
        await form.press("escape")
        assert not isinstance(form.app.screen, NewRunScreen)
        form.app.post_message(OpenNewRun(override(Config(), ["training.epochs=77"]), RunInfo(id="", name="other")))
        await form.pilot.pause()
        assert (form.text("training.epochs"), form.text("name")) == ("77", "other")
        await form.press("escape")
        # The name of a sweep's trial tells settings that are about to change.
        info = RunInfo(id="20261101-000000-adam-0-001-s0-12ab", name="adam-0.001-s0", parent="sweep")
        form.app.post_message(OpenNewRun(Config(), info))
        await form.pilot.pause()
        assert form.text("name") == ""
        await form.press("escape", "n")
        assert (form.text("training.epochs"), form.text("name")) == ("10", "mine")
        assert "✗ a number > 0" in form.row("optimizer.lr")
        assert "your draft" in form.said("head")
        await form.type("optimizer.lr", "0.001")
        await form.type("name", "")
        await form.press("escape", "n")
        assert form.config == Config()
        assert form.text("name") == ""


def test_app_and_form_load_no_torch(tmp_path: Path) -> None:
    code = """
        import asyncio, sys
        from pathlib import Path
        from tuitrain.app.app import TuitrainApp
        from tuitrain.hosts.thread import ThreadHost

        async def main():
            app = TuitrainApp(Path("runs"), ThreadHost())
            async with app.run_test(size=(120, 40)) as pilot:
                assert not [name for name in sys.modules if name.endswith(".new_run")]
                await pilot.press("n")
                form = app.screen
                while form.preview is None or form.preview.network is None:
                    await pilot.pause(0.05)
                assert form.preview.network.parameters == 43914

        asyncio.run(main())
        assert not {"torch", "torchvision", "sklearn"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=tmp_path)


def runs(process: psutil.Process) -> bool:
    """Return whether a process has not ended. Whoever adopts the children of the app may leave them as zombies."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("moment", ["at once", "while it looks", "when it has looked"])
def test_quitting_with_the_form_open_is_clean(tmp_path: Path, moment: str) -> None:
    command = [sys.executable, "-m", "tuitrain", "--runs-dir", str(tmp_path)]
    environment = os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    terminal = pexpect.spawn(command[0], command[1:], dimensions=(40, 120), env=environment, encoding="utf-8")
    terminal.expect("No runs yet", timeout=60)
    terminal.send("n")
    terminal.expect("built in" if moment == "while it looks" else "data set", timeout=60)
    if moment == "when it has looked":
        terminal.expect("43,914", timeout=60)
    children = psutil.Process(terminal.pid).children()
    terminal.send("\x11")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (0, None)
    assert "Traceback" not in (terminal.before or "")
    _, alive = psutil.wait_procs(list(filter(runs, children)), timeout=60)
    assert not alive
