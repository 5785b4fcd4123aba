"""What holds on a GPU alone; skipped where there is none."""

from collections.abc import Callable

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.runs.follower import Follower
from tuitrain.training.gradients import gradients_of
from tuitrain.training.job import prepare
from tuitrain.training.step import Step
from tuitrain.training.window import Window

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
Quick = Callable[..., Config]


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("data.augment=[shift, flip, crop]", "optimizer.clip_norm=1", "training.label_smoothing=0.1"),
        ("model.name=cnn", "model.batch_norm=true", "training.precision=bf16"),
    ],
    ids=["mlp", "augmented", "cnn in bf16"],
)
def test_steps_between_two_rows_do_not_wait_for_the_device(quick: Quick, settings: tuple[str, ...]) -> None:
    job = prepare(quick(*settings, "training.device=cuda"), lambda *_: None)
    model, gradients, step = job.model.train(), gradients_of(job), Step(job.optimizer)
    window = Window(100, job.device)
    # The first steps make the optimizer's state and choose kernels, and may wait.
    for number, (images, labels) in enumerate(job.dataset.train.batches(job.order(0), 64)):
        torch.cuda.set_sync_debug_mode("error" if number > 2 else "default")
        try:
            for change in job.changes:
                images = change(images)
            window.add(*gradients(images, labels, 1), labels)
            if job.config.optimizer.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), job.config.optimizer.clip_norm)
            step()
            gradients.clear()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    taken = window.take()
    assert taken.samples == len(job.dataset.train)
    assert 0 < taken.read()[1] / taken.samples < 10


def test_a_run_on_the_gpu_comes_to_what_it_comes_to_on_the_cpu(train: Callable[..., Follower]) -> None:
    settings = ("training.epochs=2", "training.log_every=1")
    there, here = train(*settings, "training.device=cuda"), train(*settings)
    assert there.train["loss"].tolist() == pytest.approx(here.train["loss"].tolist(), rel=0.02, abs=0.01)
