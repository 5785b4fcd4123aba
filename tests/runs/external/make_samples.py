"""Write the sample runs with the tools themselves, each in an environment that has the tool:

    python tests/runs/external/make_samples.py lightning keras …

The project's own environment needs none of them.
"""
# mypy: ignore-errors
# ruff: noqa: ARG002, PT019

import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"


def lightning() -> None:
    import lightning as L
    import torch
    from lightning.pytorch.loggers import CSVLogger

    class Net(L.LightningModule):
        def __init__(self, lr: float, width: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Linear(4, 3)

        def loss(self, batch: Any, name: str) -> Any:
            x, y = batch
            z = self.net(x)
            self.log(f"{name}_loss", torch.nn.functional.cross_entropy(z, y))
            self.log(f"{name}_acc", (z.argmax(1) == y).float().mean())
            return torch.nn.functional.cross_entropy(z, y)

        def training_step(self, batch: Any, _: int) -> Any:
            return self.loss(batch, "train")

        def validation_step(self, batch: Any, _: int) -> Any:
            self.loss(batch, "val")

        def test_step(self, batch: Any, _: int) -> Any:
            self.loss(batch, "test")

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.rand(64, 4), torch.randint(0, 3, (64,)))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    trainer = L.Trainer(
        max_epochs=3, logger=CSVLogger("."), log_every_n_steps=2, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(net := Net(0.1, 16), loader, loader)
    trainer.test(net, loader, verbose=False)


def keras() -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    x, y = np.random.rand(64, 4), np.random.randint(0, 3, 64)
    net = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    net.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, epochs=4, validation_split=0.25, verbose=0, callbacks=[keras.callbacks.CSVLogger("training.csv")])


def ultralytics() -> None:
    import numpy as np
    from PIL import Image
    from ultralytics import YOLO

    data = Path(tempfile.mkdtemp()) / "shapes"
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in ("a", "b"):
            (data / split / label).mkdir(parents=True)
            for number in range(8):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
                    data / split / label / f"{number}.png"
                )
    YOLO("yolo11n-cls.yaml").train(
        data=str(data), epochs=3, imgsz=32, batch=4, device="cpu", workers=0, plots=False, project=str(Path.cwd()),
        name="train", save=False,
    )  # fmt: skip
    args = Path("train/args.yaml")
    for path, shown in ((str(Path.cwd()), "runs"), (str(data), "shapes")):
        args.write_text(args.read_text().replace(path, shown))


def timm() -> None:
    """Write what timm's script train.py writes, with its own function."""
    import yaml
    from timm.utils import update_summary

    for epoch in range(3):
        update_summary(
            epoch, {"loss": 2 / (epoch + 1)}, {"loss": 1 / (epoch + 1), "top1": 40.0 + epoch, "top5": 70.0},
            "summary.csv", lr=0.1 / (epoch + 1), write_header=epoch == 0,
        )  # fmt: skip
    args = {"model": "resnet18", "lr": 0.1, "batch_size": 32, "epochs": 5, "opt": "sgd", "seed": 42, "mean": None}
    Path("args.yaml").write_text(yaml.safe_dump(args, default_flow_style=False))


def transformers() -> None:
    import numpy as np
    import torch
    from transformers import Trainer, TrainingArguments

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 3)

        def forward(self, x: Any, labels: Any = None) -> Any:
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    torch.manual_seed(0)
    data = [{"x": torch.rand(4), "labels": int(torch.randint(0, 3, ()))} for _ in range(32)]
    arguments = TrainingArguments(
        "out", num_train_epochs=3, per_device_train_batch_size=8, learning_rate=0.01, logging_steps=2,
        eval_strategy="epoch", save_strategy="epoch", report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        Net(), arguments, train_dataset=data, eval_dataset=data,
        compute_metrics=lambda p: {"accuracy": float((np.argmax(p.predictions, 1) == p.label_ids).mean())},
    )  # fmt: skip
    trainer.train()
    trainer.save_state()
    for path in Path("out").rglob("*"):
        if path.is_file() and path.name != "trainer_state.json":
            path.unlink()


def wandb() -> None:
    import wandb

    settings = wandb.Settings(
        mode="offline", host="gpu3", username="someone", email="", program="train.py", x_disable_meta=True,
        x_disable_stats=True, x_disable_machine_info=True, console="off", disable_git=True, save_code=False,
        silent=True, root_dir=".",
    )  # fmt: skip
    for name, failed in (("good", False), ("bad", True)):
        config = {"lr": 0.1, "batch_size": 32, "epochs": 4, "net": {"width": 16}, "flag": True}
        run = wandb.init(project="shapes", name=name, id=f"{name}1234", config=config, settings=settings)
        for epoch in range(4):
            for step in range(3):
                run.log({"train/loss": 2 / (3 * epoch + step + 1), "epoch": epoch, "lr": 0.1})
            run.log({"val": {"loss": 1 / (epoch + 1), "acc": 0.2 * epoch}, "note": "x"})
        run.summary["test_acc"] = 0.75
        run.finish(exit_code=1 if failed else 0)
    for path in sorted(Path("wandb").rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
        elif not path.is_dir() and path.suffix != ".wandb":
            path.unlink()


def trackio() -> None:
    os.environ["TRACKIO_DIR"] = str(Path.cwd() / "trackio")
    import trackio

    for name in ("first", "second"):
        trackio.init(project="shapes", name=name, config={"lr": 0.1, "batch_size": 32, "epochs": 3}, embed=False)
        for epoch in range(3):
            for step in range(2):
                trackio.log({"train/loss": 2 / (2 * epoch + step + 1), "epoch": epoch})
            trackio.log({"val": {"loss": 1 / (epoch + 1), "accuracy": 0.3 * epoch}})
        trackio.finish()
    dump(Path("trackio/shapes.db"), ("metrics", "configs", "system_metrics"))
    shutil.rmtree("trackio")


def mlflow() -> None:
    os.environ |= {"LOGNAME": "someone", "USER": "someone", "MLFLOW_ALLOW_FILE_STORE": "true"}
    import mlflow

    for uri in ("file:mlruns", "sqlite:///mlflow.db"):
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("shapes")
        for name, failed in (("good", False), ("bad", True)):
            mlflow.start_run(run_name=name)
            mlflow.log_params({"lr": 0.1, "batch_size": 32, "epochs": 3, "optimizer": "SGD"})
            for epoch in range(3):
                mlflow.log_metric("train_loss", 2 / (epoch + 1), step=epoch)
                mlflow.log_metrics({"val_loss": 1 / (epoch + 1), "val_acc": 0.3 * epoch}, step=epoch)
            mlflow.end_run("FAILED" if failed else "FINISHED")
    dump(Path("mlflow.db"), ("experiments", "runs", "metrics", "params"))
    Path("mlflow.db").unlink()
    for path in Path("mlruns").rglob("*"):
        if path.name == "meta.yaml":
            path.write_text(path.read_text().replace(f"file://{Path.cwd()}/", ""))
        elif path.parent.name == "tags" and path.name != "mlflow.runName":
            path.unlink()


def dump(database: Path, tables: tuple[str, ...]) -> None:
    """Write the tables that tuitrain reads as SQL: the whole database takes a megabyte."""
    with sqlite3.connect(database) as connection:
        lines = [line for line in connection.iterdump() if any(f'TABLE "{name}"' in line or f"TABLE {name} " in line
                 or f'INTO "{name}"' in line for name in tables)]  # fmt: skip
    Path(f"{database.stem}.sql").write_text("\n".join(lines).replace(f"{Path.cwd()}/", "") + "\n")


def main(names: list[str]) -> None:
    for name in names:
        target = SAMPLES / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        os.chdir(target)
        globals()[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
