"""install.sh, with a fake Python that makes a fake virtual environment."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tuitrain.hosts.pack.pack import install_script
from tuitrain.hosts.pack.target import Target

WHEEL = "tuitrain-0.1.0-py3-none-any.whl"
HERE = "{}.{}".format(*sys.version_info[:2])
# Checks run in the real Python; venv and pip only leave traces.
FAKE_PYTHON = f"""\
#!/bin/sh
case $1 in
    -) exec "{sys.executable}" "$@" ;;
    -c) exit 0 ;;
    -m) [ "$3" != --version ] || exit 0 ;;
esac
printf '%s\\n' "$*" >> "{{log}}"
[ "$2" = venv ] || exit {{pip_status}}
for venv; do :; done
mkdir -p "$venv/bin"
touch "$venv/pyvenv.cfg"
cp "$0" "$venv/bin/python"
printf '#!/bin/sh\\necho tuitrain "$@"\\n' > "$venv/bin/tuitrain"
chmod +x "$venv/bin/tuitrain"
"""


class Server:
    """A home folder, a fake Python, and an unpacked bundle whose folder has a difficult name."""

    def __init__(self, home: Path) -> None:
        self.home, self.bundle, self.log = home, home / "it's my bundle", home / "log"
        self.venv = home / "it's my venv"
        self.python = home / "python"
        self.bundle.mkdir()
        self.make_python()
        self.write_script()

    def make_python(self, pip_status: int = 0) -> None:
        self.python.write_text(FAKE_PYTHON.format(log=self.log, pip_status=pip_status))
        self.python.chmod(0o755)

    def write_script(
        self, python: str = HERE, arch: str = "", glibc: int = 17, *, without_torch: bool = False, trust: bool = False
    ) -> None:
        target = Target(python, arch or platform.machine())
        script = install_script(target, WHEEL, glibc, without_torch=without_torch, trust=trust)
        (self.bundle / "install.sh").write_text(script)

    def install(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        variables = {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHON": str(self.python), **environment}
        return subprocess.run(
            ["sh", str(self.bundle / "install.sh"), *(arguments or (str(self.venv),))],
            env=variables, cwd=self.home, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def refuses(self, words: str, *arguments: str, **environment: str) -> None:
        """Assert that one sentence says why nothing is installed."""
        done = self.install(*arguments, **environment)
        assert done.returncode == 1, done
        assert done.stderr.startswith("install.sh: "), done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert not self.log.exists()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def add(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_installing_twice(server: Server) -> None:
    cache = server.bundle / "cache"
    add(cache / "tuitrain/data/MNIST/raw/a", "packed")
    add(cache / "torch/hub/checkpoints/b.pth", "packed")
    add(cache / "huggingface/hub/models--a--b/blobs/1", "packed")
    link = cache / "huggingface/hub/models--a--b/snapshots/x/model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../blobs/1")
    mine = server.home / ".cache/torch/hub/checkpoints/b.pth"
    add(mine, "mine")
    done = server.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 files were there already, and stay as they are\n" in done.stdout
    assert mine.read_text() == "mine"
    assert (server.home / ".cache/tuitrain/data/MNIST/raw/a").read_text() == "packed"
    copy = server.home / ".cache/huggingface/hub/models--a--b/snapshots/x/model.safetensors"
    assert copy.is_symlink()
    assert copy.read_text() == "packed"
    start = done.stdout.partition("Start the run:\n\n")[2]
    shell = subprocess.run(["sh", "-c", f"set -e\n{start}\npwd"], capture_output=True, text=True, check=True)
    assert shell.stdout == f"tuitrain train -c run.toml\n{server.bundle}\n"
    again = server.install()
    assert again.returncode == 0
    assert "4 files were there already" in again.stdout
    made, dependencies, tuitrain = server.log.read_text().splitlines()[:3]
    assert made == f"-m venv -- {server.venv}"
    assert "--isolated" in dependencies
    assert dependencies.endswith("install --quiet --no-index --no-deps --find-links wheels -r requirements.txt")
    assert tuitrain.endswith(f"--no-index --no-deps --force-reinstall wheels/{WHEEL}")


def test_an_existing_environment_of_another_python(server: Server) -> None:
    assert server.install().returncode == 0
    server.log.unlink()
    server.write_script(python="3.99")
    server.refuses("and the packages are for Python 3.99; choose another folder: sh install.sh VENV")


def test_the_folders_of_the_caches_may_be_elsewhere(server: Server) -> None:
    for name in ("tuitrain/data/a", "torch/b", "huggingface/hub/c"):
        add(server.bundle / "cache" / name, "packed")
    places = {name: str(server.home / name.lower()) for name in ("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME")}
    assert server.install(**places).returncode == 0
    assert (server.home / "xdg_cache_home/tuitrain/data/a").exists()
    assert (server.home / "torch_home/b").exists()
    assert (server.home / "hf_home/hub/c").exists()
    assert not (server.home / ".cache").exists()


def test_default_folder_and_options(server: Server) -> None:
    server.write_script(without_torch=True, trust=True)
    shutil.rmtree(server.home / ".cache", ignore_errors=True)
    done = subprocess.run(
        ["sh", "install.sh"], cwd=server.bundle, capture_output=True, text=True, check=False,
        env={"HOME": str(server.home), "PATH": os.environ["PATH"], "PYTHON": "../python"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert server.log.read_text().startswith(f"-m venv --system-site-packages -- {server.bundle}/venv\n")
    assert "train -c run.toml --trust\n" in done.stdout
    seen = server.bundle / f"venv/lib/python{HERE}/site-packages/server.pth"
    if sys.prefix == sys.base_prefix:
        assert not seen.exists()
    else:
        assert seen.read_text() == f"{sysconfig.get_path('purelib')}\n"


def test_what_this_machine_lacks(server: Server) -> None:
    server.refuses("PYTHON.py does not run, and the packages need Python", PYTHON=str(server.home / "PYTHON.py"))
    server.write_script(python="3.99")
    server.refuses(f"python is Python {HERE}, and the packages are for Python 3.99; choose another one: PYTHON=")
    server.write_script(arch="sparc")
    server.refuses(f"this machine is {platform.machine()}, and the packages are for sparc; pack with --arch")
    server.write_script(glibc=999)
    server.refuses("the packages need glibc 2.999 or newer; that of this machine is 2.")


@pytest.mark.parametrize(
    ("module", "without_torch", "words"),
    [("ensurepip", False, "lacks venv or ensurepip; install python"), ("torch", True, "lacks torch or torchvision")],
)
def test_what_this_python_lacks(server: Server, module: str, without_torch: bool, words: str) -> None:
    server.write_script(without_torch=without_torch)
    # -S: without installed packages; a module None cannot be imported.
    lacking = f"-S -c 'import sys; sys.modules[\"{module}\"] = None; sys.argv.pop(0); exec(sys.stdin.read())'"
    if module == "torch":
        lacking = "-S"
    server.python.write_text(server.python.read_text().replace(f'"{sys.executable}"', f'"{sys.executable}" {lacking}'))
    server.refuses(words)


@pytest.mark.parametrize(
    ("output", "words"),
    [("ensurepip is not\navailable\n\nFailing command: x", "lacks what ensurepip installs; install python"),
     ("a\nError: No space", "venv cannot be created: Error: No space")],
)  # fmt: skip
def test_venv_fails(server: Server, output: str, words: str) -> None:
    script = server.python.read_text()
    server.python.write_text(script.replace("    -m) ", f"    -m) [ $2 != venv ] || {{ echo '{output}'; exit 1; }}; "))
    server.refuses(words)


@pytest.mark.parametrize("name", ['a"b', "a$b", "a`b", "a\\b"])
def test_folders_in_which_programs_do_not_start(server: Server, name: str) -> None:
    server.refuses("choose another folder: sh install.sh VENV", str(server.home / name))


def test_wrong_arguments(server: Server) -> None:
    add(server.home / "mine" / "thesis.tex", "")
    server.refuses("mine exists and is not a virtual environment; choose another folder", "mine")
    server.refuses("too many arguments; usage: sh install.sh [VENV]", "a", "b")
    server.refuses("usage: sh install.sh [VENV]", "--help")


def test_pip_fails(server: Server) -> None:
    server.make_python(pip_status=1)
    done = server.install()
    assert (done.returncode, done.stderr) == (
        1, "install.sh: the packages cannot be installed; the lines above say why\n",
    )  # fmt: skip
