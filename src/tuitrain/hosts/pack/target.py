"""The Python and the machine that a bundle is for."""

import platform
import sys
from importlib.metadata import metadata

from msgspec import Struct
from packaging.markers import default_environment
from packaging.specifiers import SpecifierSet

from tuitrain.errors import ConfigError
from tuitrain.text import plain

ARCHITECTURES = ("x86_64", "aarch64")
# The minor versions of glibc 2 that wheels may need: some of NVIDIA's name 25. pip prefers the first platform, and
# wheels for an old glibc run on more servers.
_GLIBC = range(5, 43)


class Target(Struct, frozen=True):
    """A CPython `python`, such as 3.12, on Linux on the architecture `arch`."""

    python: str
    arch: str

    @classmethod
    def of(cls, python: str | None, arch: str | None) -> "Target":
        """Return the target, by default the Python and architecture of this machine. Raise ConfigError for a Python
        that tuitrain does not support."""
        here = platform.machine()
        python = python or "{}.{}".format(*sys.version_info[:2])
        supported = metadata("tuitrain")["Requires-Python"]
        if python.count(".") != 1 or not _is_version(python) or not SpecifierSet(supported).contains(python):
            raise ConfigError(
                f"--python {plain(python, 40)} is not allowed: it must be a Python {supported}.",
                "Write 3.12, for example.",
            )
        return cls(python, arch or (here if here in ARCHITECTURES else ARCHITECTURES[0]))

    @property
    def platforms(self) -> list[str]:
        """The tags of the platforms whose wheels run there, the most compatible one first."""
        old = [f"manylinux1_{self.arch}", f"manylinux2010_{self.arch}"] if self.arch == "x86_64" else []
        return [*old, f"manylinux2014_{self.arch}", *(f"manylinux_2_{minor}_{self.arch}" for minor in _GLIBC)]

    @property
    def environment(self) -> dict[str, str]:
        """The values of the markers in requirements, such as `python_version < "3.13"`."""
        return {
            **{key: str(value) for key, value in default_environment().items()},
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.arch,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def _is_version(text: str) -> bool:
    return text.isascii() and text.replace(".", "").isdigit() and all(text.split("."))
