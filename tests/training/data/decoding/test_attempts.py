"""Read many images in parallel threads."""

import torch

from tuitrain.training.data.decoding.attempts import attempts
from tuitrain.training.data.decoding.decode import ImageError


def test_reasons_come_in_the_order_of_the_rows() -> None:
    def read(row: int) -> None:
        if row % 3 == 0:
            raise ImageError(f"row {row}")

    # More rows than a portion has.
    assert list(attempts(read, 700)) == [None if row % 3 else f"row {row}" for row in range(700)]


def test_operators_use_one_thread_while_images_are_read() -> None:
    seen: set[int] = set()
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for _ in attempts(lambda _: seen.add(torch.get_num_threads()), 20):
            pass
        assert seen == {1}
        assert torch.get_num_threads() == 3
        # Also if the reader of the results stops early.
        rest = attempts(lambda _: None, 20)
        next(rest)
        del rest
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
