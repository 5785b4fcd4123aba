"""Export the metrics or the network of a run."""

from functools import partial
from pathlib import Path
from typing import Literal

from tuitrain.config.exports import Format
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.export import ExportScreen
from tuitrain.text import plain, working_folder
from tuitrain.widgets.forms.toml_files import ask_path
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.threads import in_thread

FOLDER: Literal["folder"] = "folder"
EXPORTS: dict[Format | Literal["folder"], str] = {
    "csv": "all metrics as a table, for pandas and spreadsheets",
    "tensorboard": "metrics and settings as an event file",
    "safetensors": "the last weights",
    "onnx": "the network with the last weights, for ONNX Runtime",
    "torch-export": "the network with the last weights, for PyTorch alone",
    FOLDER: "the last weights with a model card, for the Hugging Face hub and timm",
}


class RunExportScreen(ExportScreen):
    """A screen that exports its content, or a run in one of the formats of `tuitrain export`."""

    def exported_run(self) -> tuple[RunFolder, str] | None:
        """Return the run that can be exported, and what precedes the descriptions of its formats; None without one."""
        raise NotImplementedError

    def action_export(self) -> None:
        options, run = self.export_options(), self.exported_run()
        if run is None:
            super().action_export()
            return
        folder, name = run
        options += [(f"run {format}", f"run as {format}", f"{name}{help}") for format, help in EXPORTS.items()]
        self.post_message(AskChoice("Export", options, partial(self._export_to, folder)))

    def _export_to(self, folder: RunFolder, chosen: tuple[str, ...]) -> None:
        from tuitrain.hosts.export import check_destination, default_path

        name = next((name for name in EXPORTS if chosen == (f"run {name}",)), None)
        if name is None:
            self.export_as(chosen)
            return
        format: Format = "safetensors" if name == FOLDER else name

        def write(path: Path) -> None:
            check_destination(path, format, force=True, as_folder=name == FOLDER)
            self._export(folder, format, path, force=path.exists(), as_folder=name == FOLDER)

        kind = "folder" if name in ("tensorboard", FOLDER) else "file"
        title = f"Save as {kind}, relative to {working_folder()}"
        self.post_message(ask_path(title, str(default_path(folder, format, as_folder=name == FOLDER)), write))

    @in_thread
    def _export(self, folder: RunFolder, format: Format, path: Path, *, force: bool, as_folder: bool) -> None:
        from tuitrain.hosts.export import export_in_subprocess

        self.notify(f"Writing {plain(path)} …", timeout=3, markup=False)
        check = export_in_subprocess(folder, format, path, force=force, as_folder=as_folder)
        saved = f"Saved {plain(path)}"
        self.notify(f"{saved}: {plain(check)}" if check else saved, timeout=10 if check else 5, markup=False)
