import platform
import sys

import pytest
from packaging.markers import Marker

from tuitrain.errors import ConfigError
from tuitrain.hosts.pack.target import Target


def test_the_default_is_this_python_and_this_processor() -> None:
    target = Target.of(None, None)
    assert target.python == ".".join(map(str, sys.version_info[:2]))
    assert target.arch == (platform.machine() if platform.machine() == "aarch64" else "x86_64")
    assert Target.of("3.12", "aarch64") == Target("3.12", "aarch64")


@pytest.mark.parametrize("python", ["3.9", "2.7", "3.12.1", "3", "3.", "latest", "4.0", "3.12\x1b[31m", "３.１２"])
def test_other_pythons_are_refused(python: str) -> None:
    with pytest.raises(ConfigError, match=r"--python .* is not allowed: it must be a Python .*3\.11") as error:
        Target.of(python, None)
    assert str(error.value).isprintable()


def test_wheels_for_the_oldest_glibc_come_first() -> None:
    platforms = Target("3.12", "x86_64").platforms
    assert platforms[0] == "manylinux1_x86_64"
    assert platforms.index("manylinux2014_x86_64") < platforms.index("manylinux_2_28_x86_64")
    assert {f"manylinux_2_{minor}_x86_64" for minor in range(17, 40)} <= set(platforms)
    assert Target("3.12", "aarch64").platforms[0] == "manylinux2014_aarch64"


@pytest.mark.parametrize(
    "marker",
    [
        "python_version == '3.14'",
        "python_full_version >= '3.14'",
        "platform_machine == 'aarch64'",
        "sys_platform == 'linux'",
        "platform_system == 'Linux'",
        "platform_python_implementation == 'CPython'",
        "implementation_name == 'cpython'",
        "os_name == 'posix'",
    ],
)
def test_markers_are_those_of_the_target(marker: str) -> None:
    assert Marker(marker).evaluate(Target("3.14", "aarch64").environment)
