"""Open other screens about the run that the results screen shows."""

from textual.binding import Binding, BindingType

from tuitrain.config.settings import FRACTION, SEED
from tuitrain.config.sweeps.fractions import FRACTIONS, SEEDS
from tuitrain.hosts.robustness.process import RobustnessProcess
from tuitrain.runs.fitting import fitting_texts
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.screens.export import EXPORT
from tuitrain.screens.results.robustness import RobustnessScreen
from tuitrain.screens.run_export import RunExportScreen
from tuitrain.widgets.messages import OpenNewRun, OpenPrediction, ResumeRun

RUN_ACTIONS: list[BindingType] = [
    Binding("r", "resume", "resume", tooltip="Resume the run, or extend it by more epochs", id="run.resume"),
    Binding("Z", "fit", "fit memory", tooltip="Set up a new run that fits into the memory", id="run.fit"),
    EXPORT,
    Binding("F", "predict", "predict", tooltip="Classify picture files", id="run.predict"),
    Binding("y", "clone", "clone", tooltip="Set up a new run from these settings", id="run.clone"),
]
MORE_ACTIONS: list[BindingType] = [
    Binding("V", "suspects", "suspects", tooltip="Find labels that are likely wrong", id="run.suspects"),
    Binding(
        "J", "robustness", "robustness", tooltip="Accuracy under noise, blur, brightness and JPEG", id="run.robustness"
    ),
    Binding(
        "D", "learning_curve", "more data?", tooltip="Train on parts of the data: would more help?", id="run.curve"
    ),
]


class RunActions(RunExportScreen):
    """Opens other screens about a run."""

    def __init__(self, run: Follower) -> None:
        super().__init__()
        self.run = run
        self._robustness = RobustnessProcess()

    def on_unmount(self) -> None:
        self._robustness.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        own = not self.run.folder.read_only
        if action == "resume":
            return own and self.run.status in ("interrupted", "stopped", "failed", "finished")
        if action == "fit":
            return own and bool(self.run.state.fitting)
        if action in ("clone", "predict", "suspects", "robustness", "learning_curve"):
            return own and self.run.status != "damaged"
        return super().check_action(action, parameters)

    def exported_run(self) -> tuple[RunFolder, str] | None:
        return None if self.run.status == "damaged" else (self.run.folder, "")

    def action_resume(self) -> None:
        self.post_message(ResumeRun(self.run.folder, watch=True))

    def action_predict(self) -> None:
        self.post_message(OpenPrediction(self.run.folder))

    def action_clone(self) -> None:
        self.post_message(OpenNewRun(self.run.config, self.run.info))

    def action_fit(self) -> None:
        self.post_message(OpenNewRun(self.run.config, self.run.info, fitting_texts(self.run.state)))

    def action_learning_curve(self) -> None:
        config = self.run.config
        seeds = ",".join(str(config.training.seed + number) for number in range(SEEDS))
        self.post_message(OpenNewRun(config, self.run.info, {FRACTION: FRACTIONS, SEED: seeds}))

    def action_robustness(self) -> None:
        self.app.push_screen(RobustnessScreen(self.run.folder, self._robustness))
