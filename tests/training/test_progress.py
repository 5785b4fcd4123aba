import pytest

from tuitrain.training.progress import TrainingProgress


@pytest.mark.parametrize(("epoch", "batch", "begun"), [(0, 0, 0), (0, 1, 1), (2, 0, 2), (2, 5, 3)])
def test_an_epoch_has_begun_with_its_first_mini_batch(epoch: int, batch: int, begun: int) -> None:
    assert TrainingProgress(lr=0.1, epochs=3, epoch=epoch, batch=batch).epochs_begun == begun
