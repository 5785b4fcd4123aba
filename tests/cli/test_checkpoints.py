"""A command that uses the last weights says so if the run has better ones."""

import pytest

from tuitrain.cli.checkpoints import checkpoint_or_last
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Score, State


class Folder(RunFolder):
    def __init__(self, best: Best | None) -> None:
        self._best = best

    def state(self) -> State:
        return State(epoch=10, step=100, best=self._best)


BETTER = Best(epoch=8, step=80, validation=Score(0.1, 0.9))
SAME = Best(epoch=10, step=100, validation=Score(0.1, 0.9))


@pytest.mark.parametrize(
    ("best", "chosen", "used", "said"),
    [
        (BETTER, "", "last", "These are the last weights (epoch 10; those of epoch 8 have the lowest validation loss:"),
        (BETTER, "best", "best", ""), (BETTER, "last", "last", ""), (SAME, "", "last", ""), (None, "", "last", ""),
    ],
)  # fmt: skip
def test_better_weights_are_named(
    capsys: pytest.CaptureFixture[str], best: Best | None, chosen: str, used: str, said: str
) -> None:
    assert checkpoint_or_last(Folder(best), chosen) == used
    written = capsys.readouterr().err
    assert written.startswith(said)
    assert bool(written) == bool(said)
