from importlib.metadata import version
from pathlib import Path

import pytest

from hosts.pack.conftest import calls, silent, write_index
from tuitrain.errors import PackError
from tuitrain.hosts.pack.pip import reason_of
from tuitrain.hosts.pack.target import Target
from tuitrain.hosts.pack.wheels import Wheel, get_wheels, read_name

TARGET = Target("3.12", "aarch64")


def get(tmp_path: Path, **options: frozenset[str]) -> list[Wheel]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return get_wheels(folder, tmp_path, TARGET, silent, **options)


def test_all_requirements_are_downloaded_one_by_one(fake_pip: Path, tmp_path: Path) -> None:
    write_index(
        fake_pip,
        {
            "tuitrain": {"version": "0.1.0", "requires": ["msgspec>=0.1", "afake[x]", "torch"]},
            "msgspec": {"version": version("msgspec"), "tag": "cp312-cp312-manylinux_2_28_aarch64"},
            "afake": {"requires": ["bfake; extra == 'x'", "cfake; platform_machine == 'x86_64'"]},
            "bfake": {"requires": ["afake"], "tag": "py3-none-manylinux_2_34_aarch64.manylinux_2_31_aarch64"},
        },
    )
    wheels = get(tmp_path, left_out=frozenset({"torch"}))
    assert [wheel.name for wheel in wheels] == ["tuitrain", "afake", "bfake", "msgspec"]
    assert [wheel.glibc for wheel in wheels] == [0, 0, 31, 28]
    built, first, second = calls(fake_pip)
    assert built[:2] == ["wheel", "--no-deps"]
    assert first[:2] == ["download", "--no-deps"]
    assert "--only-binary=:all:" in first
    assert first[first.index("--python-version") + 1] == "3.12"
    assert first[first.index("--platform") + 1] == "manylinux2014_aarch64"
    assert {"afake", f"msgspec==={version('msgspec')}"} <= set(first)
    assert "bfake" in second
    assert "afake" not in second


def refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(PackError, match=words) as error:
        get(tmp_path)
    assert str(error.value).isprintable()


def test_the_reason_of_pip_is_one_sentence(fake_pip: Path, tmp_path: Path) -> None:
    write_index(fake_pip, {"tuitrain": {"version": "0.1.0", "requires": ["nofake"]}})
    refused(
        tmp_path, r"^pip cannot get the packages: No matching distribution found for .{1,6}nofake\. Check the network"
    )


def test_packages_that_do_not_fit_each_other(fake_pip: Path, tmp_path: Path) -> None:
    requires = ["afake", "bfake"]
    index = {"tuitrain": {"version": "0.1.0", "requires": requires}, "afake": {"version": "2.0"}}
    write_index(fake_pip, {**index, "bfake": {"requires": ["afake<2"]}})
    refused(tmp_path, r"^afake 2\.0 does not fit the other packages, which require <2\.")


def test_something_else_than_a_wheel(fake_pip: Path, tmp_path: Path) -> None:
    index = {"tuitrain": {"version": "0.1.0", "requires": ["afake"]}}
    write_index(fake_pip, {**index, "afake": {"file": "afake-1.whl"}})
    refused(tmp_path, r"^pip downloaded afake-1\.whl, which is not a wheel\.")


def test_a_damaged_wheel(fake_pip: Path, tmp_path: Path) -> None:
    write_index(
        fake_pip,
        {"tuitrain": {"version": "0.1.0", "requires": ["afake"]}, "afake": {"file": "bfake-1-py3-none-any.whl"}},
    )
    refused(tmp_path, r"^pip downloaded no wheel of afake\.")


def test_names_of_wheels() -> None:
    name = "numpy-2.3-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
    assert read_name(Path(name))[1:] == ("numpy", read_name(Path(name)).version, 27)
    assert read_name(Path("a_B-1-py3-none-manylinux2014_x86_64.whl"))[1] == "a-b"


def test_the_reason_stands_before_the_advice_of_pip() -> None:
    lines = ["Collecting a", "ERROR: Cannot install a because b.", "ERROR: ResolutionImpossible: for help visit c", "d"]
    assert reason_of(lines) == "Cannot install a because b"
    assert reason_of(["Collecting a", "Traceback", "OSError: e", ""]) == "OSError: e"
    assert reason_of([]) == ""
    lines.insert(1, "The user requested (constraint) a<=2.1")
    assert reason_of(lines) == "Cannot install a because a constraint in pip's settings requires a<=2.1"


@pytest.mark.usefixtures("fake_pip")
def test_without_pip_and_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(tmp_path, "^Packing needs pip or uv: this Python environment has no pip, and uv is not installed.")
