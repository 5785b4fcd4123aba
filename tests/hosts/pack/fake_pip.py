"""A uv whose pip makes wheels out of the packages that index.json lists, and logs its arguments."""

import json
import os
import signal
import sys
import zipfile
from pathlib import Path

home = Path(os.environ["FAKE_PIP"])
arguments = sys.argv[1:]
assert arguments[:3] == ["tool", "run", "--python"], arguments
assert arguments[4] == "pip", arguments
with (home / "log.jsonl").open("a") as log:
    log.write(json.dumps(arguments[5:]) + "\n")
index = json.loads((home / "index.json").read_text())
if "fails" in index:
    sys.stdout.write(index["fails"])
    raise SystemExit(1)
if index.get("waits"):
    (home / "pid").write_text(str(os.getpid()))
    signal.pause()


def option(name: str) -> str:
    return arguments[arguments.index(name) + 1]


def make(name: str, folder: str) -> None:
    if name not in index:
        sys.stdout.write(f"Looking in indexes: x\nERROR: No matching distribution found for \x1b[31m{name}\n")
        raise SystemExit(1)
    package = index[name]
    version, tag = package.get("version", "1.0"), package.get("tag", "py3-none-any")
    requires = "".join(f"Requires-Dist: {line}\n" for line in package.get("requires", []))
    file = package.get("file", f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(Path(folder, file), "w") as wheel:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", metadata)


if "wheel" in arguments:
    make("tuitrain", option("--wheel-dir"))
else:
    begin = arguments.index("--dest") + 2
    for requirement in arguments[begin:]:
        if not requirement.startswith("-"):
            make(requirement.partition("=")[0].partition("<")[0].partition(">")[0].partition("!")[0], option("--dest"))
