"""Send alerts to the user's addresses by apprise."""

import logging
from collections.abc import Iterable
from typing import Literal

from tuitrain.text import plain

Kind = Literal["success", "failure", "warning", "info"]
_LONGEST = 1000


def send(title: str, text: str, kind: Kind, urls: Iterable[str]) -> list[str]:
    """Send an alert to each address; return a sentence for each that failed, without the address, which is secret."""
    # Importing apprise takes half a second.
    import apprise

    # Its messages would quote addresses.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    problems = []
    for number, url in enumerate(urls, 1):
        service = apprise.Apprise.instantiate(url)
        if service is None:
            problems.append(f"Address {number} is none that apprise understands.")
            continue
        one = apprise.Apprise()
        one.add(service)
        sent = one.notify(
            title=plain(title, _LONGEST), body=plain(text, _LONGEST) or plain(title, _LONGEST), body_format="text",
            notify_type=kind,
        )  # fmt: skip
        if not sent:
            problems.append(f"{service_name(url)} (address {number}) did not accept the alert.")
    return problems


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
