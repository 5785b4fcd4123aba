"""Exceptions of helping threads and of workers are shown and written to a file; those of tasks close the app."""

import asyncio
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot

from screen_text import text
from tuitrain.app.app import TuitrainApp
from tuitrain.errors import RunError
from tuitrain.hosts.thread import ThreadHost
from tuitrain.widgets.threads import in_thread


class App(TuitrainApp):
    @in_thread
    def work(self, error: Exception) -> None:
        raise error


@pytest.fixture
def app(runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App(runs_dir, ThreadHost())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(threading, "excepthook", app.on_thread_exception)
    return app


def fail_in_thread(error: BaseException) -> None:
    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail, name="helper")
    thread.start()
    thread.join()


async def toasts(app: App, pilot: Pilot[None]) -> list[str]:
    await app.workers.wait_for_complete()
    await pilot.pause()
    return [toast.message for toast in app._notifications]


async def test_a_helping_thread_fails(app: App, tmp_path: Path) -> None:
    async with app.run_test() as pilot:
        for _ in range(3):
            fail_in_thread(ValueError("planted \x1b[31m"))
        fail_in_thread(SystemExit(3))
        (log,) = tmp_path.glob("tuitrain-*.log")
        (toast,) = await toasts(app, pilot)
        assert toast == f"Unexpected error: ValueError: planted \ufffd[31m. Details: {log}"
        assert "No runs yet" in text(app)
        assert app.crash is None
    assert "raise error\nValueError: planted" in log.read_text()


async def test_a_worker_fails(app: App, tmp_path: Path) -> None:
    async with app.run_test() as pilot:
        app.work(RunError("There is no run x.", "Type [y]."))
        assert await toasts(app, pilot) == ["There is no run x. Type [y]."]
        assert not [*tmp_path.glob("tuitrain-*.log")]
        app.work(ValueError("planted"))
        assert (await toasts(app, pilot))[-1].startswith("Unexpected error: ValueError: planted. Details: ")
        (log,) = tmp_path.glob("tuitrain-*.log")
        assert "in work" in log.read_text()
        assert app.crash is None


def test_a_thread_fails_after_the_app_has_closed(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    app.closed.set()
    fail_in_thread(KeyError("late"))
    (log,) = tmp_path.glob("tuitrain-*.log")
    assert capsys.readouterr().err == f"tuitrain: Unexpected error: KeyError: 'late'. Details: {log}\n"


@pytest.mark.parametrize("where", ["task", "call_soon", "call_later"])
async def test_a_task_or_callback_fails(app: App, where: str) -> None:
    def fail() -> None:
        raise ValueError("planted")

    async def fail_later() -> None:
        fail()

    async def run() -> None:
        async with app.run_test() as pilot:
            loop, tasks = asyncio.get_running_loop(), []
            if where == "task":
                tasks.append(loop.create_task(fail_later()))
            elif where == "call_soon":
                loop.call_soon(fail)
            else:
                loop.call_later(0.0, fail)
            await asyncio.sleep(0)
            tasks.clear()
            await pilot.pause()
            loop.call_exception_handler({"message": "without an exception"})

    with pytest.raises(ValueError, match="planted"):
        await run()
    assert isinstance(app.crash, ValueError)
    assert app.return_code == 1
