import json
from collections.abc import Sequence
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tuitrain.hosts.pack import requirements
from tuitrain.hosts.pack.requirements import TORCH, Package, installed, own_source, pinned, required
from tuitrain.hosts.pack.target import Target

TARGET = Target("3.12", "x86_64")


def packages(**requires: Sequence[str]) -> dict[str, Package | None]:
    return {name: Package(Version("1.0"), lines) for name, lines in requires.items()}


class FakeDistribution:
    requires = ("a",)

    def __init__(self, version: str, direct_url: object = None) -> None:
        self.version, self._direct_url = version, direct_url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._direct_url is None else json.dumps(self._direct_url)


def test_markers_and_extras_choose_the_requirements_of_the_target() -> None:
    known = packages(
        tuitrain=[
            "old; python_version < '3.12'",
            "new; python_version >= '3.12'",
            "arm; platform_machine == 'aarch64'",
            "mac; sys_platform == 'darwin'",
            "onnx; extra == 'onnx'",
            "Toolkit_X[cudart, nvrtc]==13; sys_platform == 'linux'",
        ],
    ) | {
        "toolkit-x": packages(x=["cudart; extra == 'cudart'", "nvcc; extra == 'nvcc'", "nvrtc; extra == 'nvrtc'"])["x"]
    }
    assert set(required(known, TARGET)) == {"new", "toolkit-x", "cudart", "nvrtc"}
    assert set(required(known, Target("3.11", "aarch64"))) == {"old", "arm", "toolkit-x", "cudart", "nvrtc"}


def test_circles_end_and_versions_add_up() -> None:
    known = packages(tuitrain=["a>=1", "b"], a=["b<3"], b=["a<2", "tuitrain", "c"])
    assert required(known, TARGET) == {
        "a": SpecifierSet(">=1,<2"),
        "b": SpecifierSet("<3"),
        "c": SpecifierSet(),
        "tuitrain": SpecifierSet(),
    }


def test_without_torch_leaves_out_what_only_torch_requires() -> None:
    known = packages(
        tuitrain=["torch>=2.9", "torchvision", "numpy", "timm"],
        torch=["triton", "numpy"],
        torchvision=["torch"],
        timm=["torch", "torchvision", "safetensors"],
    )
    assert set(required(known, TARGET, TORCH)) == {"numpy", "timm", "safetensors"}
    assert "triton" in required(known, TARGET)


def test_the_installed_version_is_pinned_if_it_is_allowed() -> None:
    here = version("msgspec")
    assert pinned("msgspec", SpecifierSet(">=0.1")) == f"msgspec==={here}"
    assert pinned("msgspec", SpecifierSet("<0.1")) == "msgspec<0.1"
    assert pinned("not-installed-anywhere", SpecifierSet(">1")) == "not-installed-anywhere>1"
    assert installed("not-installed-anywhere") is None
    found = installed("msgspec")
    assert found is not None
    assert str(found.version) == here


def test_a_local_build_of_torch_stands_for_the_public_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "distribution", lambda _: FakeDistribution("2.9.0+cpu"))
    assert pinned("torch", SpecifierSet(">=2.9")) == "torch===2.9.0"
    assert installed("torch") is None, "its requirements are not those of the public version"
    monkeypatch.setattr(requirements, "distribution", lambda _: FakeDistribution("no version"))
    assert (pinned("torch", SpecifierSet(">=2.9")), installed("torch")) == ("torch>=2.9", None)


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (None, "tuitrain==1.2"),
        ({"url": "file:///a%20b", "dir_info": {"editable": True}}, "file:///a%20b"),
        ({"url": "https://x/y.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "git+https://x/y.git@abc"),
        ({"url": "https://x/tuitrain.whl", "archive_info": {}}, "https://x/tuitrain.whl"),
    ],
)
def test_tuitrain_comes_from_where_it_was_installed_from(record: object, source: str) -> None:
    assert own_source(FakeDistribution("1.2", record)) == source  # type: ignore[arg-type]


def test_this_tuitrain_comes_from_this_checkout() -> None:
    root = Path(__file__).parents[3]
    assert own_source(distribution("tuitrain")) in (root.as_uri(), f"tuitrain=={version('tuitrain')}")
