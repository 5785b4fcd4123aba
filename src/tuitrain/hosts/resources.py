"""The devices and CPU threads that the process of a run may use."""

from msgspec import Struct

from tuitrain.config.schema import Config
from tuitrain.config.values import build_config, flatten


class WorkerResources(Struct, frozen=True):
    """The device and CPU threads of a worker; empty and None leave the configuration of the run as it is. A run on
    several devices gets several, separated by commas."""

    device: str = ""
    threads: int | None = None

    def apply(self, config: Config) -> Config:
        changes: dict[str, object] = {"training.device": self.device} if self.device else {}
        if "," in self.device:
            changes = {"training.device": "cuda", "training.devices": self.device}
        elif self.device.startswith("cuda") and config.training.devices == "all":
            # This one is all that the run gets.
            changes["training.devices"] = None
        if config.training.threads is None and self.threads:
            changes["training.threads"] = self.threads
        return build_config(flatten(config) | changes)
