"""Commands show their progress on stderr, also while the output of the run's code is captured."""

import pytest

from tuitrain.cli import main
from tuitrain.errors import DataError
from tuitrain.hosts.log_capture import LogCapture


def work(*arguments: object, **_: object) -> None:
    (progress,) = filter(callable, arguments)
    with LogCapture():
        progress("loading torch", None)
        progress("reading \x1b[2J: 1 of 2 images", 0.5)
        progress("reading \x1b[2J: 2 of 2 images", 1.0)
    raise DataError("It ends here.")


@pytest.mark.parametrize(
    ("arguments", "function"),
    [
        (["plan"], "plan.plan_run"),
        (["lr-find"], "lr_find.find_learning_rate"),
        (["evaluate", "run"], "evaluate.evaluate_checkpoint"),
    ],
)
def test_progress_of_captured_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], function: str
) -> None:
    monkeypatch.setattr("tuitrain.cli.commands.evaluate.find", lambda *_: None)
    monkeypatch.setattr(f"tuitrain.cli.commands.{function}", work)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    first, second, third = err.splitlines()
    assert (out, first, third) == ("", "loading torch", "tuitrain: It ends here.")
    assert second.startswith("reading ")
    assert second.isprintable()
