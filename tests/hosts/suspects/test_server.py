import io
from collections.abc import Callable
from pathlib import Path

import msgspec

from planted import Planted
from tuitrain.hosts.suspects import server
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.hosts.suspects.process import Answer, Request
from tuitrain.hosts.suspects.report import Report
from tuitrain.runs.follower import Follower


def answers(*folders: Path) -> list[Answer[Report]]:
    requests = b"".join(msgspec.json.encode(Request(str(folder), "last")) + b"\n" for folder in folders)
    out = io.BytesIO()
    server.serve(io.BytesIO(requests), out)
    return [msgspec.json.decode(line, type=Answer[Report]) for line in out.getvalue().splitlines()]


def test_answers_report_the_progress_and_then_the_suspects(train: Callable[..., Follower]) -> None:
    folder = train("model.hidden=8", "training.epochs=1").folder
    first, *_, last = answers(folder.path)
    assert first.doing
    assert last == Answer(report=find_suspects(folder, "last", "auto", lambda *_: None))


def test_a_run_that_cannot_be_compared_is_one_sentence(tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    folder = planted.run(planted.model)
    *_, missing = answers(folder.path)
    assert "no checkpoint last" in missing.problem
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / "last.safetensors").write_bytes(b"")
    *_, untrusted = answers(folder.path)
    assert "tuitrain suspects with --trust" in untrusted.problem
    assert not planted.ran.exists()
