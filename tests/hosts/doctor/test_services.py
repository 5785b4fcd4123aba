"""What `tuitrain doctor` says of alerts."""

from pathlib import Path

from tuitrain.hosts.alerts.addresses import addresses_file, save_addresses
from tuitrain.hosts.alerts.service import watch
from tuitrain.hosts.doctor.services import check_alerts


def test_the_addresses_are_counted_and_never_shown(tmp_path: Path) -> None:
    assert [one.level for one in check_alerts(tmp_path)] == ["note"]
    save_addresses(["ntfy://secret-word", "json://secret-word"])
    found = [*check_alerts(tmp_path)]

    def stopping() -> bool:
        found.extend(check_alerts(tmp_path))
        return True

    watch(tmp_path, print, stopping)
    assert [(one.level, one.text) for one in found] == [
        ("ok", "2 addresses, runs folder not watched (tuitrain watch)"),
        ("ok", "2 addresses, runs folder watched"),
    ]
    addresses_file().chmod(0o644)
    (problem,) = check_alerts(tmp_path)
    assert problem.level == "problem"
    assert problem.advice.startswith("Run: chmod 600")
