"""What `tuitrain doctor` says of Slurm."""

from fake_slurm import FakeSlurm
from tuitrain.hosts.doctor.services import check_slurm


def test_slurm_that_answers_and_one_that_does_not(slurm: FakeSlurm) -> None:
    slurm.answer("sinfo", "slurm 23.11\n")
    (finding,) = check_slurm()
    assert (finding.level, finding.text) == ("ok", "slurm 23.11: tuitrain submit")
    slurm.answer("squeue", "", 1, error="Unable to contact \x1b[2Jslurm controller")
    (finding,) = check_slurm()
    assert finding.level == "problem"
    assert "Unable to contact" in finding.text
    assert "\x1b" not in finding.text


def test_a_machine_without_slurm_needs_no_line(slurm: FakeSlurm) -> None:
    (slurm.folder / "sbatch").unlink()
    assert list(check_slurm()) == []
