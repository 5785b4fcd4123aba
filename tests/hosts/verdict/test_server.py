"""The subprocess that computes missing baselines."""

import io
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuitrain.hosts.verdict import server
from tuitrain.hosts.verdict.process import Answer, Request
from tuitrain.runs.baselines import FILE, Baselines, stored_baselines
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


def answers(folder: Path) -> list[Answer[Baselines]]:
    out = io.BytesIO()
    server.serve(io.BytesIO(msgspec.json.encode(Request(str(folder), "last")) + b"\n"), out)
    return [msgspec.json.decode(line, type=Answer[Baselines]) for line in out.getvalue().splitlines()]


def test_the_last_answer_means_that_the_run_has_baselines(train: Callable[..., Follower]) -> None:
    folder = train("model.hidden=8", "training.epochs=1").folder
    before = stored_baselines(folder)
    (folder.evaluations / FILE).unlink()
    first, *_, last = answers(folder.path)
    assert first.doing
    assert last == Answer(report=before)
    assert stored_baselines(folder) == before


def test_a_run_that_cannot_be_compared_is_one_sentence(write_run: Callable[..., RunFolder]) -> None:
    (alone,) = answers(write_run("alone", evaluations=()).path)
    assert "has no evaluation" in alone.problem
    *_, empty = answers(write_run("empty").path)
    assert empty.problem
    assert "\n" not in empty.problem
