"""Send one alert to several addresses at once, in a separate process; see `send`.

apprise waits without a limit for a service that answers byte by byte. Only a process can be killed meanwhile.
"""

import logging
import sys
from collections.abc import Sequence
from threading import Thread
from typing import Literal

import msgspec
from msgspec import Struct

from tuitrain.text import plain

Kind = Literal["success", "failure", "warning", "info"]


class Delivery(Struct, frozen=True):
    """What the process reads from stdin: command lines are visible to other users, and addresses are secret."""

    title: str
    text: str
    kind: Kind
    urls: Sequence[str]


class Outcome(Struct, frozen=True):
    """What the process prints on a line for each address. `problem` is empty if the service accepted the alert."""

    index: int
    problem: str


def main() -> None:
    delivery = msgspec.json.decode(sys.stdin.buffer.read(), type=Delivery)
    # apprise's messages would quote addresses.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    threads = [Thread(target=_deliver, args=(delivery, index)) for index in range(len(delivery.urls))]
    for thread in threads:
        thread.start()
    # apprise starts threads of its own, which Python refuses once the main thread has ended.
    for thread in threads:
        thread.join()


def _deliver(delivery: Delivery, index: int) -> None:
    import apprise

    problem = ""
    service = apprise.Apprise.instantiate(delivery.urls[index])
    if service is None:
        problem = f"apprise does not understand address {index + 1}."
    else:
        one = apprise.Apprise()
        one.add(service)
        if not one.notify(title=delivery.title, body=delivery.text, body_format="text", notify_type=delivery.kind):
            problem = f"{plain(service.service_name, 60)} (address {index + 1}) did not accept the alert."
    # One write, because the threads share the stream.
    sys.stdout.write(msgspec.json.encode(Outcome(index, problem)).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
