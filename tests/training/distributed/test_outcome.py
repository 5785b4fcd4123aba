"""The reason of a run's end is that of the rank that ended first."""

from pathlib import Path

import pytest

from tuitrain.training.distributed.outcome import NodeResult, Outcome, outcome_of_run, read_outcomes

MEMORY = Outcome("failed", "Out of memory on cuda:1.")


@pytest.mark.parametrize(
    ("outcomes", "failed", "reason"),
    [
        ({}, {1: -9, 0: 1}, "Rank 1 was killed (signal 9). Did the machine run out of memory?"),
        ({}, {0: -15, 1: -11}, "Rank 1 was killed (signal 11)."),
        ({}, {0: -15, 1: -15}, "Rank 0 was killed (signal 15)."),
        ({1: MEMORY}, {0: 1, 1: 1}, "Rank 1: Out of memory on cuda:1."),
        ({1: MEMORY}, {0: -15, 1: 1}, "Rank 1: Out of memory on cuda:1."),
        ({}, {0: -15, 1: 3}, "Rank 1 ended with status 3. The run's log may say why."),
        ({}, {}, "The processes ended without a result. The run's log may say why."),
        ({0: Outcome("failed", "The loss became NaN.")}, {0: 1, 1: -15}, "The loss became NaN."),
    ],
)
def test_the_first_cause_is_the_reason(outcomes: dict[int, Outcome], failed: dict[int, int], reason: str) -> None:
    outcome = outcome_of_run([NodeResult(outcomes, failed)])
    assert (outcome.status, outcome.reason) == ("failed", reason)


def test_what_rank_0_records_is_the_end(tmp_path: Path) -> None:
    stopped = Outcome("stopped", "Stopped by the user.", progressed=True)
    stopped.write(tmp_path, 0)
    (tmp_path / "rank-1.json").write_bytes(b"{torn")
    assert read_outcomes(tmp_path, range(3)) == {0: stopped}
    assert outcome_of_run([NodeResult({0: stopped, 1: MEMORY}, {1: 1})]) == stopped
