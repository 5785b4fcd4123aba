"""`tuitrain notify`: list, add, remove or test the addresses that alerts go to."""

import argparse
import getpass
import platform

from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.table import write_table
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.alerts.addresses import MOST, addresses_file, load_addresses, save_addresses
from tuitrain.hosts.alerts.send import hidden, send, service_name
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    if options.action == "add":
        _add(options.value or _ask())
    elif options.action == "remove":
        _remove(options.value or "")
    urls = load_addresses()
    if options.test:
        _test(urls)
    if options.json:
        print_json([{"service": service_name(url), "address": hidden(url)} for url in urls])
    elif not urls:
        print_message("There are no addresses. Add one: tuitrain notify add ntfy://TOPIC")
    else:
        write_table(
            [["", "service", "address"], *([str(n), service_name(u), hidden(u)] for n, u in enumerate(urls, 1))]
        )
    return 0


def _ask() -> str:
    try:
        return getpass.getpass("Address, such as ntfy://topic: ")
    except EOFError:
        raise ConfigError("There is no address.", "Give one: tuitrain notify add ntfy://TOPIC") from None


def _add(url: str) -> None:
    url = url.strip()
    if not service_name(url):
        raise ConfigError(
            f"apprise does not understand the address {plain(url.partition('://')[0], 40)}://….",
            "Examples: ntfy://TOPIC, slack://TOKEN, discord://ID/TOKEN, tgram://TOKEN/CHAT, mailto://USER:PASSWORD@HOST",
        )
    urls = [*load_addresses(), url]
    if len(urls) > MOST:
        raise ConfigError(f"There are {len(urls) - 1} addresses already.", "Remove one: tuitrain notify remove N")
    save_addresses(urls)
    print_message(f"Added {service_name(url)} to {plain(addresses_file(), 1000)}. Try it: tuitrain notify --test")


def _remove(number: str) -> None:
    urls = load_addresses()
    numbers = [str(n) for n in range(1, len(urls) + 1)]
    if not number:
        raise ConfigError("tuitrain notify remove needs the number of an address.", "See: tuitrain notify")
    if number not in numbers:
        raise ConfigError(f"There is no address {plain(number, 20)}.", "See: tuitrain notify")
    removed = urls.pop(numbers.index(number))
    save_addresses(urls)
    print_message(f"Removed {hidden(removed)} from {plain(addresses_file(), 1000)}")


def _test(urls: list[str]) -> None:
    if not urls:
        raise RunError("There are no addresses to test.", "Add one: tuitrain notify add ntfy://TOPIC")
    if problems := send("tuitrain works", f"A test alert from {platform.node()}", "info", urls):
        raise RunError(" ".join(problems), "Check the address and the network.")
    print_message(f"Sent a test alert to {len(urls)} address{'es' * (len(urls) > 1)}.")
