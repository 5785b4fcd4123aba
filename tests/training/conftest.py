"""Fixtures of the tests of training."""

import pytest
import torch


@pytest.fixture
def one_thread() -> None:
    """Small batches and networks gain nothing from a second thread, which waits for the first on a busy machine. The
    fixture `restored_torch_settings` restores the number of threads."""
    torch.set_num_threads(1)
