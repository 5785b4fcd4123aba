"""`tuitrain pack`, with a fake pip."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from hosts.pack.conftest import fake_pip, write_index
from tuitrain.cli import main

__all__ = ["fake_pip"]


@pytest.fixture
def home(fake_pip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_index(fake_pip, {"tuitrain": {"version": "0.1.0", "requires": ["afake"]}, "afake": {}})
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


def test_what_was_packed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "run.toml").write_text("[optimizer]\nlr = 0.5 # high\n")
    assert (
        main(["pack", "-c", "run.toml", "--set", "training.epochs=3", "--python", "3.13", "-o", "my bundle.tar"]) == 0
    )
    out, err = capsys.readouterr()
    assert out == "my bundle.tar\n"
    lines = err.splitlines()
    assert lines[:3] == ["building tuitrain's wheel", "downloading packages", "writing the bundle"]
    assert lines[3].startswith("tuitrain and 1 packages that it requires: ")
    assert lines[-1] == "    mkdir -p 'my bundle' && tar xf 'my bundle.tar' -C 'my bundle' && sh 'my bundle'/install.sh"
    subprocess.run(["sh", "-c", "mkdir -p 'my bundle' && tar xf 'my bundle.tar' -C 'my bundle'"], check=True)
    text = (home / "my bundle/run.toml").read_text()
    assert "lr = 0.5 # high" in text
    assert "epochs = 3" in text


def test_json_and_refusals(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", "--json", "--without-torch", "--arch", "aarch64", "--python", "3.12"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["path"] == str(home / "bundle.tar")
    assert document["bytes"] == (home / "bundle.tar").stat().st_size
    assert [document[key] for key in ("python", "arch", "glibc")] == ["3.12", "aarch64", "2.17"]
    assert [part["name"] for part in document["packed"]][1:] == ["digits, built in", "the settings, run.toml"]
    assert len(document["not_packed"]) == 1
    for arguments, words in (
        ([], "bundle.tar already exists. Choose another name, or replace it with --force."),
        (["--force", "--python", "2.7"], "--python 2.7 is not allowed"),
        (["--set", "optimizer.lr=x"], "optimizer.lr = x is not allowed"),
        (["-o", "/proc/none/x.tar"], "/proc/none/x.tar cannot be written"),
    ):
        assert main(["pack", *arguments]) == 2
        err = capsys.readouterr().err.splitlines()[-1]
        assert err.startswith(f"tuitrain: {words}"), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_half_bundle(home: Path, fake_pip: Path, number: signal.Signals) -> None:
    write_index(fake_pip, {"waits": True})
    script = "import importlib.util as u, sys; f = u.find_spec; u.find_spec = lambda n: None if n == 'pip' else f(n)"
    command = [sys.executable, "-c", f"{script}\nfrom tuitrain.cli import main\nsys.exit(main(['pack']))"]
    with subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (fake_pip / "pid").exists() or not (fake_pip / "pid").read_text():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        assert list(home.iterdir()), "the draft"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "building tuitrain's wheel\n")
    assert not list(home.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int((fake_pip / "pid").read_text()), 0)


def test_packing_digits_does_not_load_torch(home: Path) -> None:
    script = "import importlib.util as u, sys; f = u.find_spec; u.find_spec = lambda n: None if n == 'pip' else f(n)"
    script += "\nfrom tuitrain.cli import main\nassert main(['pack']) == 0\n"
    script += "assert not {'torch', 'timm', 'textual', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=home, check=True)
    assert tarfile.is_tarfile(home / "bundle.tar")
