"""`tuitrain notify`."""

import json

import pytest

from hosts.alerts.conftest import Service, service  # noqa: F401 (a fixture)
from tuitrain.cli.parser import parse
from tuitrain.errors import ConfigError, RunError


def notify(*words: str) -> int:
    options = parse(["notify", *words])
    status: int = options.run(options)
    return status


def test_addresses_are_added_tested_and_removed(
    service: Service,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert notify("add", service.url) == 0
    assert notify("add", "ntfy://topic") == 0
    assert notify("remove", "2") == 0
    assert notify("--test") == 0
    capsys.readouterr()
    assert notify("--json") == 0
    output = capsys.readouterr().out
    assert [one["service"] for one in json.loads(output)] == ["JSON"]
    assert "secret-word" not in output
    assert [alert["title"] for alert in service.received] == ["tuitrain works"]
    service.close()
    with pytest.raises(RunError, match="did not accept the alert"):
        notify("--test")


def test_no_address_on_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    def end_of_file(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", end_of_file)
    with pytest.raises(ConfigError, match="There is no address"):
        notify("add")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("add", "nonsense://secret-word"), ConfigError, "does not understand the address nonsense"),
        (("remove", "3"), ConfigError, "There is no address 3"),
        (("remove", "9" * 5000), ConfigError, "There is no address 9"),
        (("remove",), ConfigError, "remove needs the number of an address"),
        (("--test",), RunError, "There are no addresses to test"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        notify(*words)
    assert "secret-word" not in str(caught.value)
