"""A watcher finds what deserves an alert, once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hosts.alerts.conftest import Service
from tuitrain.errors import RunError
from tuitrain.hosts.alerts import service as watchers
from tuitrain.hosts.alerts import watch as watching
from tuitrain.hosts.alerts.addresses import save_addresses
from tuitrain.hosts.alerts.service import stop_watching, watch_in_background
from tuitrain.hosts.alerts.watch import IDLE_SECONDS, LEAST, UNKNOWN, Watcher
from tuitrain.machine.gpus import Gpu, Gpus
from tuitrain.machine.load import Disk
from tuitrain.machine.users import GpuUser
from tuitrain.runs.folder import RunFolder


def change(folder: RunFolder, **changes: Any) -> None:
    state = json.loads(folder.state_file.read_text())
    folder.state_file.write_text(json.dumps(state | changes))


def titles(watcher: Watcher, now: float, gpus: Gpus | None = None) -> list[str]:
    return [alert.title for alert in watcher.look(now, gpus)]


def test_a_run_that_stalls_is_reported_once_and_again_after_it_has_moved(
    runs_dir: Path, write_run: Callable[..., RunFolder]
) -> None:
    run, paused = write_run("slow", status="running"), write_run("paused", status="paused")
    watcher = Watcher(runs_dir)
    assert titles(watcher, 0) == []
    # Nothing is usual yet.
    assert titles(watcher, UNKNOWN - 1) == []
    assert titles(watcher, UNKNOWN) == ["slow: no step for 1:00:00"]
    assert titles(watcher, 2 * UNKNOWN) == []
    now = 3 * UNKNOWN
    for step in range(41, 46):
        now += 100
        change(run, step=step)
        assert titles(watcher, now) == []
    assert titles(watcher, now + 1999) == []
    assert titles(watcher, now + 2000) == ["slow: no step for 33:20"]
    assert paused.state().status == "paused"


def test_a_quick_run_may_be_silent_for_a_while(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    run, watcher, now = write_run("quick", status="running"), Watcher(runs_dir), 0.0
    for step in range(41, 46):
        change(run, step=step)
        now += 1
        assert titles(watcher, now) == []
    assert titles(watcher, now + LEAST - 1) == []
    assert len(titles(watcher, now + LEAST)) == 1


def test_a_killed_run_is_reported_and_what_reports_itself_is_not(
    runs_dir: Path, write_run: Callable[..., RunFolder]
) -> None:
    killed, finished, stopped = (write_run(name, status="running") for name in ("killed", "finished", "stopped"))
    write_run("old", status="failed", reason="long ago")
    watcher = Watcher(runs_dir)
    assert titles(watcher, 0) == []
    change(killed, process={"host": os.uname().nodename, "boot": "other", "pid": 1, "born": 1.0})
    for folder in (finished, stopped):
        change(folder, status=folder.name())
    assert titles(watcher, 5) == ["killed interrupted"]
    assert titles(watcher, 10) == []


def test_what_a_killed_watcher_missed_is_reported_by_the_next_one(
    runs_dir: Path, write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchers, "INTERVAL", 0.0)
    gone = {"host": os.uname().nodename, "boot": "other", "pid": 1, "born": 1.0}
    before, missed = (write_run(name, status="running") for name in ("before", "missed"))
    change(before, process=gone, heartbeat=time.time() - 60)
    # Another tool logs seldom: this run was active when the watcher looked last.
    (runs_dir / "tool").mkdir()
    (runs_dir / "tool" / "metrics.jsonl").write_text(f'{{"step": 1, "loss": 0.5, "time": {time.time() - 250}}}\n')
    lines: list[str] = []
    rounds = iter([False, False, True])

    def killed() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watchers.watch(runs_dir, lines.append, lambda: next(rounds) and killed())
    change(missed, process=gone, heartbeat=time.time())
    monkeypatch.setattr("tuitrain.runs.external.follower.SILENCE", 200)
    for _ in range(2):
        watchers.watch(runs_dir, lines.append, chain([False] * 3, repeat(True)).__next__)
    assert [line.partition(" (")[0] for line in lines] == ["missed interrupted", "tool finished"]


def test_a_folder_that_is_empty_for_a_while_loses_no_run(
    runs_dir: Path, write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, away = write_run("killed", status="running"), runs_dir.with_name("away")
    watcher = Watcher(runs_dir)
    assert titles(watcher, 0) == []
    runs_dir.rename(away)
    runs_dir.mkdir()
    with monkeypatch.context() as patch:
        # The disk below the mount point is another one.
        patch.setattr(watching, "disk", lambda folder: Disk(folder, 0, 1))
        assert titles(watcher, 5) == []
    change(RunFolder(away / killed.id), process={"host": os.uname().nodename, "boot": "other", "pid": 1, "born": 1.0})
    runs_dir.rmdir()
    away.rename(runs_dir)
    assert titles(watcher, 10) == ["killed interrupted"]


def test_a_run_of_another_tool_whose_loss_is_no_number_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    log = tmp_path / "script" / "metrics.jsonl"
    log.write_text("".join(f'{{"step": {step}, "loss": 0.5, "time": {time.time()}}}\n' for step in range(3)))
    watcher = Watcher(tmp_path)
    assert titles(watcher, 0) == []
    assert titles(watcher, 5) == []
    with log.open("a") as file:
        file.write(f'{{"step": 3, "loss": NaN, "time": {time.time()}}}\n')
    assert titles(watcher, 10) == ["script: the training loss is nan at step 3"]
    assert titles(watcher, 15) == []


def test_a_folder_that_is_away_for_a_while_is_not_forgotten(
    runs_dir: Path, write_run: Callable[..., RunFolder]
) -> None:
    run, watcher = write_run("killed", status="running"), Watcher(runs_dir)
    assert titles(watcher, 0) == []
    away = runs_dir.rename(runs_dir.with_name("away"))
    with pytest.raises(RunError, match="There is no folder"):
        watcher.look(1)
    away.rename(runs_dir)
    change(run, process={"host": os.uname().nodename, "boot": "other", "pid": 1, "born": 1.0})
    assert titles(watcher, 2) == ["killed interrupted"]


def test_an_idle_gpu_that_a_run_holds_is_reported_once(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    write_run("one", status="running")
    watcher = Watcher(runs_dir)

    def gpus(use: float, run: str = "one") -> Gpus:
        return Gpus((Gpu(0, use=use, users=(GpuUser(1, run=run),)),))

    assert titles(watcher, 0, gpus(0.01)) == []
    assert titles(watcher, IDLE_SECONDS - 1, gpus(0.01)) == []
    assert titles(watcher, IDLE_SECONDS, gpus(0.01)) == ["GPU 0 has been idle for 15:00"]
    assert titles(watcher, IDLE_SECONDS + 1, gpus(0.01)) == []
    assert titles(watcher, IDLE_SECONDS + 2, gpus(0.5)) == []
    assert titles(watcher, IDLE_SECONDS + 3, gpus(0.01)) == []
    assert titles(watcher, 2 * IDLE_SECONDS, gpus(0.01, run="")) == []
    assert titles(watcher, 3 * IDLE_SECONDS, gpus(0.01)) == []


def test_a_disk_that_becomes_full_is_reported_once(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_dir.mkdir()
    watcher = Watcher(runs_dir)
    monkeypatch.setattr(watching, "LOW_DISK", 2.0**80)
    (title,) = titles(watcher, 0)
    assert title.startswith("only ")
    assert titles(watcher, 1) == []
    monkeypatch.setattr(watching, "LOW_DISK", 0.0)
    assert titles(watcher, 2) == []
    monkeypatch.setattr(watching, "LOW_DISK", 2.0**80)
    assert len(titles(watcher, 3)) == 1


def test_a_watcher_in_the_background_sends_alerts_until_it_is_stopped(
    service: Service, runs_dir: Path, write_run: Callable[..., RunFolder]
) -> None:
    save_addresses([service.url])
    program = "import time; from tuitrain.runs.process import this_process; import msgspec;"
    program += "print(msgspec.json.encode(this_process()).decode(), flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        run = write_run("victim", status="running")
        change(run, process=json.loads(trainer.stdout.readline()))
        watch_in_background(runs_dir)
        try:
            with pytest.raises(RunError, match="is already watched"):
                watch_in_background(runs_dir)
            trainer.send_signal(signal.SIGKILL)
            trainer.wait()
            deadline = time.monotonic() + 60
            while not service.received and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            stop_watching(runs_dir)
    assert [alert["title"] for alert in service.received] == ["victim interrupted"]
    while True:
        try:
            stop_watching(runs_dir)
        except RunError:
            break
        time.sleep(0.05)


def test_ctrl_c_ends_the_watcher(runs_dir: Path) -> None:
    runs_dir.mkdir()
    words = ["-m", "tuitrain", "watch", "--runs-dir", str(runs_dir)]
    process = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=60)
    process.expect("alerts are only printed")
    process.expect("ctrl.c ends it")
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
