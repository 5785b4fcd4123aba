"""Measure which small faults in the code the tests of each package notice (mutation testing).

    uv run python tests/mutants.py analysis config --sample 200 --seed 0

The script copies the checkout to a temporary folder, makes one of the changes of `mutations.py` at a time, and runs
those tests of the package that execute the changed line, the quickest first, for up to `MOST_SECONDS`. A test notices
a change if it fails or hangs. The script prints each change that no test notices, and the share of the others.
`equivalent_mutants.toml` lists changes without any effect, which do not count.
"""

import argparse
import contextlib
import gc
import importlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from mutations import Mutant, mutants, nested

ROOT = Path(__file__).parent.parent
# The arithmetic of training; its other files start processes, threads and devices.
TRAINING = (
    "average.py", "data/sampler.py", "data/splits.py", "data/stratify.py", "evaluation/evaluate.py",
    "evaluation/goals.py", "evaluation/record.py", "fine_tuning/features.py", "fine_tuning/freeze.py",
    "fine_tuning/head.py", "lr_finder/suggestion.py", "metrics.py", "optim/build.py", "optim/groups.py",
    "optim/norms.py", "progress.py",
)  # fmt: skip
TRAINING_TESTS = (
    "data", "evaluation", "fine_tuning", "loop", "lr_finder", "optim", "test_average.py", "test_fake_cuda.py",
    "test_metrics.py", "test_progress.py",
)  # fmt: skip
PACKAGES = ("analysis", "config", "image_folder", "runs", "training")
# Every test run forks this process, which spares it these imports.
PRELOADED = ("numpy", "msgspec", "tomlkit", "psutil", "platformdirs", "torch")
# A killed test of a full disk would leave the disk mounted.
OPTIONS = ("-x", "-q", "-n0", "-p", "no:cacheprovider", "--ignore=tests/runs/test_full_disk.py")
# Seconds of tests for each mutant, as measured without it. Some lines are executed by all tests of a package.
MOST_SECONDS = 60.0
# The line number that stands for any line of a file.
ANY = 0
CPU, MEMORY = resource.RLIMIT_CPU, 8 << 30
Tests = dict[str, dict[str, Any]]


def forget_cached_results() -> None:
    for module in [module for name, module in sys.modules.items() if name.startswith("tuitrain.")]:
        for value in list(vars(module).values()):
            getattr(value, "cache_clear", lambda: None)()


def wait(child: int, seconds: float) -> bool:
    """Return whether the process group `child` succeeds within `seconds`; end it."""
    deadline = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    return (ended if ended[0] else os.waitpid(child, 0))[1] == 0


def limit(seconds: float) -> None:
    """Limit the processor time and the memory of this process, the first of a new group."""
    os.setsid()
    resource.setrlimit(CPU, (int(seconds), int(seconds) + 99))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def covering(mutant: Mutant, tests: Tests) -> list[str]:
    """Return the tests that execute a changed line, the quickest first. If the line runs on import, return those that
    execute any function of the file, the file's own tests first."""
    own, changed = f"test_{Path(mutant.file).stem}.py", {ANY} if mutant.on_import else set(mutant.lines)
    found = [
        id
        for id, test in tests.items()
        if changed.intersection(test["lines"].get(mutant.file, ())) or (mutant.on_import and own in id)
    ]
    found.sort(key=lambda id: (mutant.on_import and own not in id, tests[id]["seconds"]))
    used = itertools.accumulate((tests[id]["seconds"] for id in found), initial=0.0)
    return [id for id, before in zip(found, used, strict=False) if before < MOST_SECONDS]


def seconds_for(ids: Sequence[str], tests: Tests) -> float:
    """Return the processor time after which the tests count as hanging; they get four times as long to wait."""
    used: float = sum(tests[id]["seconds"] for id in ids)
    return 15 + 3 * used


class Checkout:
    """A copy of the checkout whose code may be changed."""

    def __init__(self, folder: Path) -> None:
        self.root, self.basetemp = folder / "checkout", folder / "tmp"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(self.root / "src")], check=True)

    @contextlib.contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Write the mutant to its file, which processes that tests start read."""
        path = self.root / mutant.file
        original = path.read_text(encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(mutant.source, encoding="utf-8")
        yield
        path.write_text(original, encoding="utf-8")

    def pytest(self, tests: Sequence[str], plugin: object, seconds: float, *, wall: float) -> bool:
        """Return whether the tests pass, in a fork that may use `seconds` of processor time."""
        shutil.rmtree(self.basetemp, ignore_errors=True)
        child = os.fork()
        if child:
            return wait(child, wall)
        limit(seconds)
        os.chdir(self.root)
        output = os.open(self.root / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = pytest.main([*OPTIONS, f"--basetemp={self.basetemp}", *tests], plugins=[plugin])
        sys.stdout.flush()
        os._exit(code)


class Selection:
    """A pytest plugin that runs the tests with these ids, in this order."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._rank = {id: rank for rank, id in enumerate(ids)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self._rank), key=lambda i: self._rank[i.nodeid])


class InMemory:
    """A pytest plugin that imports the tests once, and then forks for each mutant of the body of a function.

    It writes the lines and the seconds of each test, and the indices of the mutants noticed, to `result`. Mutants that
    take effect on import are left to `notices`.
    """

    def __init__(self, checkout: Checkout, chosen: Sequence[Mutant], result: Path) -> None:
        self._checkout, self._chosen, self._result = checkout, chosen, result
        self._prefix = f"{checkout.root}/"
        self._lines: set[tuple[str, int]] = set()
        self._changed: dict[str, set[int]] = {}
        for mutant in chosen:
            self._changed.setdefault(str(checkout.root / mutant.file), set()).update(mutant.lines)
        # Whether a code object contains a changed line; tracing the others would only take time.
        self._traced: dict[CodeType, bool] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        traced = self._result.with_name("traced.json")
        if not (child := os.fork()):
            limit(3600)
            traced.write_text(json.dumps(self._trace_tests(session)), encoding="utf-8")
            os._exit(0)
        if not wait(child, 3600):
            return True
        every: Tests = json.loads(traced.read_text(encoding="utf-8"))
        tests = {id: test for id, test in every.items() if not test["failed"]}
        items = {item.nodeid: item for item in session.items}
        functions: dict[str, list[FunctionType]] = {}
        # Imported modules may have frozen all objects, and `get_objects` leaves out frozen ones.
        gc.unfreeze()
        for value in gc.get_objects():
            if isinstance(value, FunctionType):
                functions.setdefault(value.__code__.co_filename, []).append(value)
        noticed = []
        for index, mutant in enumerate(self._chosen):
            ids = covering(mutant, tests)
            if mutant.on_import or not ids:
                continue
            seconds = seconds_for(ids, tests)
            with self._checkout.changed(mutant):
                if not (child := os.fork()):
                    limit(seconds)
                    replace_code(mutant, functions.get(mutant.code.co_filename, []))
                    os._exit(run([items[id] for id in ids], session, tests))
                if not wait(child, 4 * seconds):
                    noticed.append(index)
        content = {"tests": tests, "noticed": noticed, "failed": sorted(every.keys() - tests.keys())}
        self._result.write_text(json.dumps(content), encoding="utf-8")
        return True

    def _trace_tests(self, session: pytest.Session) -> Tests:
        tests: Tests = {}
        for item in session.items:
            forget_cached_results()
            self._lines, start = set(), time.monotonic()
            threading.settrace(self._trace)
            sys.settrace(self._trace)
            run([item], session)
            sys.settrace(None)
            lines: dict[str, list[int]] = {}
            for file, line in sorted(self._lines):
                lines.setdefault(file.removeprefix(self._prefix), []).append(line)
            test = {"seconds": time.monotonic() - start, "lines": lines, "failed": bool(session.testsfailed)}
            tests[item.nodeid], session.testsfailed = test, 0
        return tests

    def _trace(self, frame: FrameType, event: str, __: object) -> Any:
        code = frame.f_code
        if event == "line":
            self._lines.add((code.co_filename, frame.f_lineno))
            return self._trace
        if (changed := self._changed.get(code.co_filename)) is None:
            return None
        if (traced := self._traced.get(code)) is None:
            traced = self._traced[code] = any(line in changed for _, _, line in code.co_lines())
        if code.co_name != "<module>":
            self._lines.add((code.co_filename, ANY))
        return self._trace if traced else None


def replace_code(mutant: Mutant, functions: Sequence[FunctionType]) -> None:
    """Let the functions of the mutant's file, which are imported already, run the mutant's code."""
    forget_cached_results()
    codes = {(code.co_qualname, code.co_firstlineno): code for code in nested(mutant.code)}
    for function in functions:
        old = function.__code__
        function.__code__ = codes.get((old.co_qualname, old.co_firstlineno), old)


def run(items: Sequence[pytest.Item], session: pytest.Session, tests: Tests | None = None) -> int:
    """Run the tests up to the first failure; return the number of failures. An endless loop ends the process."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        if tests:
            most, hard = time.process_time() + 10 + 3 * tests[item.nodeid]["seconds"], resource.getrlimit(CPU)[1]
            resource.setrlimit(CPU, (min(int(most), hard), hard))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            break
    return session.testsfailed


def measure(checkout: Checkout, package: str, sample: int, seed: int, part: str) -> None:
    """Print the mutants of a package that its tests do not notice, and the score."""
    source, tests = f"src/tuitrain/{package}", [f"tests/{package}"]
    files = [str(path.relative_to(checkout.root)) for path in sorted((checkout.root / source).rglob("*.py"))]
    if package == "training":
        files = [f"{source}/{name}" for name in TRAINING]
        tests = [f"tests/training/{name}" for name in TRAINING_TESTS]
    equivalent = tomllib.loads((ROOT / "tests/equivalent_mutants.toml").read_text(encoding="utf-8"))
    found = [mutant for file in files if part in file for mutant in mutants(checkout.root, file)]
    counted = [mutant for mutant in found if mutant.key not in equivalent]
    chosen = random.Random(seed).sample(counted, min(sample or len(counted), len(counted)))
    chosen.sort(key=lambda mutant: (mutant.file, mutant.lines.start))
    start, result = time.monotonic(), checkout.root / "result.json"
    checkout.pytest(tests, InMemory(checkout, chosen, result), 10**6, wall=10**6)
    if not result.exists():
        sys.exit(f"The tests do not run:\n{(checkout.root / 'output.txt').read_text()[-3000:]}")
    known: Tests = (content := json.loads(result.read_text()))["tests"]
    result.unlink()
    noticed = set(content["noticed"])
    write(f"{package}: {len(chosen)} of {len(counted)} mutants, seed {seed}; {len(known)} tests")
    for id in content["failed"]:
        write(f"  not used, because it fails without a change: {id}")
    for index, mutant in enumerate(chosen):
        if mutant.on_import and notices(checkout, mutant, known):
            noticed.add(index)
        elif index not in noticed:
            write(f"  alive: line {mutant.lines.start}: {mutant.key}")
    minutes = (time.monotonic() - start) / 60
    share = 100 * len(noticed) / max(1, len(chosen))
    write(f"{package}: {len(noticed)} of {len(chosen)} noticed, {share:.1f} %, {minutes:.0f} min")


def notices(checkout: Checkout, mutant: Mutant, tests: Tests) -> bool:
    """Return whether a test that imports the mutant fails."""
    if not (ids := covering(mutant, tests)):
        return False
    seconds = seconds_for(ids, tests)
    files = list(dict.fromkeys(id.partition("::")[0] for id in ids))
    with checkout.changed(mutant):
        return not checkout.pytest(files, Selection(ids), seconds, wall=4 * seconds)


def write(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="*", help=f"of {', '.join(PACKAGES)}; default: all")
    parser.add_argument("--sample", type=int, default=0, help="mutants per package; default: all")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--part", default="", help="only files whose path contains this")
    options = parser.parse_args()
    data = os.environ.get("TUITRAIN_TEST_DATA") or str(ROOT.parent / "shared" / "data")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        checkout = Checkout(Path(folder))
        sys.path[:] = [str(checkout.root / "src"), *(path for path in sys.path if path != str(ROOT / "tests"))]
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": sys.path[0], "PYTHONDONTWRITEBYTECODE": "1", "TUITRAIN_TEST_DATA": data}
        # Threads do not survive a fork.
        os.environ["OMP_NUM_THREADS"] = "1"
        for name in PRELOADED:
            importlib.import_module(name)
        for package in options.package or PACKAGES:
            measure(checkout, package, options.sample, options.seed, options.part)


if __name__ == "__main__":
    main()
