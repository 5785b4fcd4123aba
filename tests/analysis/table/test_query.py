import time
from pathlib import Path

import pytest

from tuitrain.analysis.table.query import complete, parse
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, RunInfo, Score, State


def entry(name: str, *assignments: str, test: float | None = None, status: str = "finished", **info: object) -> Entry:
    best = Best(3, 30, Score(0.1, 0.98)) if test else None
    state = State(epoch=10, step=100, seconds=90.0, test=Score(0.2, test) if test is not None else None, best=best)
    about = RunInfo(id=name, name=name, **info)  # type: ignore[arg-type]
    return Entry(RunFolder(Path(f"runs/{name}")), about, override(Config(), assignments), state, status)  # type: ignore[arg-type]


RUNS = [
    entry("adam-relu", "optimizer.lr=0.001", test=0.9712, tags=["baseline", "first try"], created=time.time() - 7200),
    entry(
        "sgd-sigmoid", "optimizer.name=sgd", "optimizer.lr=0.01", "model.activation=sigmoid", test=0.7, notes="Slow!"
    ),
    entry(
        "wide", "model.hidden=[512]", "optimizer.lr=0.003", "training.epochs=50", status="failed", parameters=400_000
    ),
    entry("net", "model.name=resnet18", "data.dataset=cifar10", "data.normalize=false", test=0.0, status="running"),
]


def found(text: str) -> list[str]:
    fits = parse(text)
    return [run.info.name for run in RUNS if fits(run)]


ALL = ["adam-relu", "sgd-sigmoid", "wide", "net"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("   ", ALL),
        ("optimizer=sgd", ["sgd-sigmoid"]),
        ("opt=SGD", ["sgd-sigmoid"]),
        ("optimizer.name=sgd", ["sgd-sigmoid"]),
        ("OPTIMIZER == sgd", ["sgd-sigmoid"]),
        ("opt!=sgd", ["adam-relu", "wide", "net"]),
        ("-opt=sgd", ["adam-relu", "wide", "net"]),
        ("!opt!=sgd", ["sgd-sigmoid"]),
        ("lr<0.003", ["adam-relu", "net"]),
        ("lr<=3e-3", ["adam-relu", "wide", "net"]),
        ("lr = .003", ["wide"]),
        ("lr>=0.003 lr<0.01", ["wide"]),
        ("act=sigmoid test<95%", ["sgd-sigmoid"]),
        ("test>95%", ["adam-relu"]),
        ("last test>95%", ["adam-relu"]),
        ("Last Test > 95% opt=adam", ["adam-relu"]),
        ("images/s>1 last", []),
        ("test>95", ["adam-relu"]),
        ("test<1", ["adam-relu", "sgd-sigmoid", "net"]),
        ("test>0.95", ["adam-relu"]),
        ("test=97.12%", ["adam-relu"]),
        ("test:97", ["adam-relu"]),
        ("test=none", ["wide"]),
        ("test!=none", ["adam-relu", "sgd-sigmoid", "net"]),
        ("test<1%", ["net"]),
        ("best>97% -test>99%", ["adam-relu", "sgd-sigmoid"]),
        ("epochs>10", ["wide"]),
        ("epochs=50", ["wide"]),
        ("hidden=512", ["wide"]),
        ("hidden=[128,256] hidden=128-256 hidden='128, 256'", ["adam-relu", "sgd-sigmoid"]),
        ("model=resnet18", ["net"]),
        ("model:res", ["net"]),
        ("normalize=false", ["net"]),
        ("status:run", ["net"]),
        ("status=failed", ["wide"]),
        ("tag:base", ["adam-relu"]),
        ("tag=baseline", ["adam-relu"]),
        ("tag=base", []),
        ('tag="first try"', ["adam-relu"]),
        ("tag='first try", ["adam-relu"]),
        ("tag=none", ["sgd-sigmoid", "wide", "net"]),
        ("note:slow", ["sgd-sigmoid"]),
        ("SLOW", ["sgd-sigmoid"]),
        ("first", ["adam-relu"]),
        ("relu -tag:base", []),
        ('"sgd-sig"', ["sgd-sigmoid"]),
        ("-", ALL),
        ("name~*-*", ["adam-relu", "sgd-sigmoid"]),
        ("name~?et", ["net"]),
        ("name~relu", []),
        ("time=1:30", ALL),
        ("time>1min", ALL),
        ("time<90s", []),
        ("time<0:02:00", ALL),
        ("time<1:00:00", ALL),
        ("time>1:00", ALL),
        ("age<3h", ["adam-relu"]),
        ("age<1h", []),
        ("parameters>100k", ["wide"]),
        ("params>=0.4M", ["wide"]),
        ("batch_size=64 batch-size=64 batch=64", ALL),
    ],
)
def test_matching_runs(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimzer=sgd", "Unknown column 'optimzer'. Did you mean optimizer?"),
        ("tset>1", "Unknown column 'tset'. Did you mean test?"),
        ("zzzzzz=1", "Unknown column 'zzzzzz'. Use best-test, best, test, time, status, tag … or a setting."),
        ("patience>3", "'patience' may be schedule.patience or training.patience. Write the full name."),
        ("optimizer=adm", "optimizer.name cannot be 'adm'. Did you mean adam?"),
        ("status=zzz", "status cannot be 'zzz'. Allowed: queued, running, paused, finished"),
        ("lr<", "lr< needs a value."),
        ("test>", "test> needs a value, such as 95%."),
        ("opt=", "optimizer= needs a value: sgd, adam, adamw"),
        ("test>high", "test needs a number such as 0.95 or 95%, not 'high'."),
        ("lr<1%", "lr needs a number, not '1%'."),
        ("time>1:2:3:4", "time needs a number of seconds such as 90s, 5min, 1:30 or 2h, not '1:2:3:4'."),
        ("opt<adam", "optimizer.name is not a number: < does not apply. Use = != : or ~."),
        ("tag:baseline lr=x", "lr needs a number, not 'x'."),
        ("lr=\x1b[2J", "lr needs a number, not '�[2J'."),
    ],
)
def test_query_errors_name_the_allowed_values(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text", ["lr=" + "9" * 5000, "time>" + "9" * 5000 + ":00", "test>1e999", "(" * 500, "name~" + "*a" * 200, "'", '"']
)
def test_nothing_that_can_be_typed_is_too_much(text: str) -> None:
    assert found(text) in ([], ALL)


def test_every_setting_can_be_asked_for_by_its_whole_name() -> None:
    for key in settings():
        assert found(f"{key}=none {key}!=none") == []
        assert found(f"{key}:zzz") == []


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("", ""),
        ("op", "optimizer"),
        ("best", "best-loss"),
        ("best-t", "best-test"),
        ("-opt", "-optimizer"),
        ("lr<0.1 stat", "lr<0.1 status"),
        ("training.ep", "training.epochs"),
        ("optimizer=s", "optimizer=sgd"),
        ("optimizer=", "optimizer=sgd"),
        ("status:f", "status:finished"),
        ("tag=b", "tag=baseline"),
        ("tag='f", "tag='first try'"),
        ("dataset=cifar1", "dataset=cifar10"),
        ("hidden=5", "hidden=512"),
        ("zzz", "zzz"),
        ("zzz=a", "zzz=a"),
        ("test>9", "test>9"),
        ("lr ", "lr "),
    ],
)
def test_completion_of_names_and_values(text: str, completed: str) -> None:
    assert complete(text, RUNS) == completed
