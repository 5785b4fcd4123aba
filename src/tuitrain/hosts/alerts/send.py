"""Send alerts to the user's addresses by apprise."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from tuitrain.hosts.alerts.addresses import MOST
from tuitrain.hosts.alerts.deliver import Delivery, Kind, Outcome
from tuitrain.text import plain

# Seconds that a run that has ended, or a watcher, waits for the services.
TIMEOUT = 30.0
_LONGEST = 1000


def send(title: str, text: str, kind: Kind, urls: Sequence[str]) -> list[str]:
    """Send an alert to all addresses at once, in at most `TIMEOUT` seconds. Return a sentence for each that failed,
    without the address, which is secret."""
    title, text = plain(title, _LONGEST), plain(text, _LONGEST)
    delivery = Delivery(title, text or title, kind, urls[:MOST])
    printed = _run(msgspec.json.encode(delivery))
    problems = {}
    for line in printed.splitlines():
        with suppress(msgspec.DecodeError):  # The end of the process may have cut the last line.
            outcome = msgspec.json.decode(line, type=Outcome)
            problems[outcome.index] = outcome.problem
    found = [problems.get(n, f"Address {n + 1} did not answer.") for n in range(len(delivery.urls))]
    unused = f"Only the first {MOST} of {len(urls)} addresses receive alerts." if len(urls) > MOST else ""
    return [problem for problem in (*found, unused) if problem]


def _run(delivery: bytes) -> bytes:
    """Run the process that sends, for a limited time; return what it has printed."""
    command = [sys.executable, "-P", "-m", "tuitrain.hosts.alerts.deliver"]
    try:
        return subprocess.run(
            command, input=delivery, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        return error.stdout or b""


def service_name(url: str) -> str:
    """Return the name of the service of an address, such as `Slack`; an empty string if apprise does not know it."""
    import apprise

    service = apprise.Apprise.instantiate(url)
    return "" if service is None else plain(service.service_name, 60)


def hidden(url: str) -> str:
    """Return the address without passwords and keys, to show it to the user."""
    import apprise

    service = apprise.Apprise.instantiate(url)
    if service is None:
        return "not understood"
    shown: str = service.url(privacy=True)  # type: ignore[no-untyped-call]
    return plain(shown.partition("?")[0], 120)
