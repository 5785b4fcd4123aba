"""Exceptions of helping threads and of workers are shown and written to a file; the app stays open."""

import threading
from collections.abc import Iterator
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
def app(runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = App(runs_dir, ThreadHost())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(threading, "excepthook", app.on_thread_exception)
    yield app
    assert app.crash is None


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


def test_a_thread_fails_after_the_app_has_closed(app: App, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    app.closed.set()
    fail_in_thread(KeyError("late"))
    (log,) = tmp_path.glob("tuitrain-*.log")
    assert capsys.readouterr().err == f"tuitrain: Unexpected error: KeyError: 'late'. Details: {log}\n"
