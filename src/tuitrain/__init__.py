"""Train, watch and compare PyTorch image classifiers in a terminal, and log the training of any script: see
docs/log-any-script.md."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitrain.logger.facts import Facts, Summary
    from tuitrain.logger.ignored import Ignored
    from tuitrain.logger.run import Run
    from tuitrain.logger.start import finish, init, log

    run: Run | None
    config: Facts
    summary: Summary
    AlertLevel = Artifact = Audio = Graph = Histogram = Html = Image = Molecule = Object3D = Settings = Table = (
        Video
    ) = Ignored
    alert = define_metric = log_artifact = log_code = log_model = login = mark_preempting = Ignored
    plot = plot_table = save = termerror = termlog = termwarn = unwatch = use_artifact = watch = Ignored()

__version__ = "0.1.0"
__all__ = ["Run", "finish", "init", "log", "run", "summary"]
_FUNCTIONS = ("finish", "init", "log")
# Names of wandb that a script may use and that have no effect.
_IGNORED = (
    "AlertLevel", "Artifact", "Audio", "Graph", "Histogram", "Html", "Image", "Molecule", "Object3D", "Settings",
    "Table", "Video", "alert", "define_metric", "log_artifact", "log_code", "log_model", "login", "mark_preempting",
    "plot", "plot_table", "save", "termerror", "termlog", "termwarn", "unwatch", "use_artifact", "watch",
)  # fmt: skip


class _Package(ModuleType):
    """The module `tuitrain`. It loads the logger on first use."""

    @property
    def config(self) -> "ModuleType | Facts":
        """The settings of the script's run; without a run, the package `tuitrain.config`."""
        start = sys.modules.get("tuitrain.logger.start")
        if start is not None and start.run is not None:
            settings: Facts = start.run.config
            return settings
        if "tuitrain.config" in sys.modules:
            return sys.modules["tuitrain.config"]
        raise AttributeError("config")

    @config.setter
    def config(self, package: ModuleType) -> None:
        """Accept the package, which Python's import assigns."""

    def __getattr__(self, name: str) -> Any:
        if name == "Run":
            from tuitrain.logger.run import Run

            return Run
        if name in ("run", "summary", *_FUNCTIONS, *_IGNORED):
            from tuitrain.logger import start

            if name in _FUNCTIONS:
                # The next calls find the function at once, even while Python shuts down and cannot import.
                self.__dict__[name] = getattr(start, name)
                return self.__dict__[name]
            if name == "summary":
                return start.summary()
            return start.run if name == "run" else start.without_effect(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
