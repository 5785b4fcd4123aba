"""`tuitrain doctor`."""

import json
from pathlib import Path

from cli.commands import command


def test_the_page_and_its_twin(tmp_path: Path) -> None:
    listed = json.loads(command(tmp_path, "doctor", "--json").stdout)
    printed = command(tmp_path, "doctor").stdout
    assert {"tuitrain", "packages", "torch", "runs folder", "terminal", "colors"} <= {one["name"] for one in listed}
    for finding in listed:
        # The free space may change between the two.
        assert finding["text"].partition(",")[0] in printed
        assert (finding["level"] == "ok") or finding["advice"] in printed
