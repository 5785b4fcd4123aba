"""Submit runs to a scripted Slurm."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_slurm import FakeSlurm
from tuitrain.cli.parser import parse
from tuitrain.config import preferences
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, RunError, TuitrainError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.slurm import client
from tuitrain.hosts.slurm.script import sbatch_options, write_script
from tuitrain.hosts.slurm.submit import resubmit_run, submit_run
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import SlurmJob

HOSTILE = 'it\'s "$(touch pwned)" `x`; %j\n#SBATCH --wrap=x'
WriteRun = Callable[..., RunFolder]


@pytest.fixture
def spec(quick: Callable[..., Config], tmp_path: Path) -> RunSpec:
    return RunSpec(config=quick(), runs_dir=tmp_path / HOSTILE / "runs", name=HOSTILE)


def test_a_submitted_run_waits_for_its_job(slurm: FakeSlurm, spec: RunSpec) -> None:
    folder = submit_run(spec, "--partition=gpu --time 4:00:00")
    waiting = folder.state().waiting
    assert waiting is not None
    assert (waiting.by, waiting.job, waiting.cluster) == ("slurm", "12", "fake")
    assert (shown_status(folder.state()), folder.state().process) == ("queued", None)
    called = "\n".join(slurm.calls("sbatch"))
    assert "--partition=gpu --time 4:00:00 /" in called
    assert f"--output={str(folder.log_file).replace('%', '%%')} --job-name=" in called


def test_hostile_paths_reach_python_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    script = write_script(folder, ["work", str(folder)])
    text = script.read_text()
    command = text.partition("\nexec ")[2]
    assert shlex.split(command)[-2:] == ["work", str(folder)]
    printed = subprocess.run(
        ["/bin/sh", "-c", text.replace("\nexec ", "\nexec printf '%s|' ")], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split("|")[-3:] == ["work", str(folder), ""]
    # sbatch reads options only above the first command.
    assert [line for line in text.partition("\ntrap")[0].splitlines() if "wrap" in line] == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "sbatch: error: invalid partition specified: gpu\nsbatch: error: Batch job submission failed: Invalid"
            " partition name specified\n",
            "sbatch failed: invalid partition specified: gpu; Batch job submission failed: Invalid partition name"
            " specified.",
        ),
        ("", "sbatch failed: status 3."),
        ("\x1b[31mred\x1b[0m", "sbatch failed: "),
    ],
)
def test_no_run_remains_of_a_refused_job(slurm: FakeSlurm, spec: RunSpec, error: str, said: str) -> None:
    slurm.answer("sbatch", "", 3, error=error)
    with pytest.raises(RunError) as refused:
        submit_run(spec)
    assert said in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert list(spec.runs_dir.iterdir()) == []


@pytest.mark.parametrize("answer", ["what?\n", "", "12 jobs\n", "-1\n"])
def test_a_run_whose_job_may_exist_is_kept_as_failed(slurm: FakeSlurm, spec: RunSpec, answer: str) -> None:
    slurm.answer("sbatch", answer)
    with pytest.raises(RunError, match="no job number"):
        submit_run(spec)
    (path,) = spec.runs_dir.iterdir()
    state = RunFolder(path).state()
    assert (state.status, state.waiting) == ("failed", None)
    assert "squeue --me" in state.reason


def test_a_slow_sbatch_does_not_wait_forever(slurm: FakeSlurm, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SUBMIT_TIMEOUT", 0.2)
    slurm.answer("sbatch", "12\n", before="exec /bin/sleep 60")
    with pytest.raises(RunError, match=r"did not answer within 0\.2 s"):
        submit_run(spec)
    (path,) = spec.runs_dir.iterdir()
    assert RunFolder(path).state().status == "failed"


def test_lines_of_a_site_around_the_job_number(slurm: FakeSlurm, spec: RunSpec) -> None:
    slurm.answer("sbatch", "Welcome to 99 nodes\n34;big\n\n")
    waiting = submit_run(spec).state().waiting
    assert waiting is not None
    assert (waiting.job, waiting.cluster) == ("34", "big")


@pytest.mark.usefixtures("no_slurm")
def test_a_machine_without_slurm_says_so_and_creates_nothing(spec: RunSpec) -> None:
    with pytest.raises(RunError, match=r"sbatch is not on this machine\. Submit from a login node"):
        submit_run(spec)
    assert not spec.runs_dir.exists()


@pytest.mark.parametrize("text", ["--time='4", "gpu", "job.sh --time=1"])
def test_options_that_are_none(slurm: FakeSlurm, spec: RunSpec, text: str) -> None:
    with pytest.raises(ConfigError, match="not a list of options"):
        submit_run(spec, text)
    assert not spec.runs_dir.exists()
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize("text", ["--exclusive", "-n1", "--time=5 -n1", ""])
def test_options_begin_with_dashes_on_the_command_line(text: str) -> None:
    for words in (["submit", "--sbatch", text, "--json"], ["sweep", "--submit", "2", "--sbatch", text, "--json"]):
        options = parse(words)
        assert (options.sbatch, options.json) == (text, True)


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["sweep", "-c", "x", "--submit", "2", "--detach"], "--submit cannot be combined"),
        (["sweep", "-c", "x", "--submit", "2", "--queue"], "--submit cannot be combined"),
        (["sweep", "-c", "x", "--sbatch=--time=1"], "--sbatch needs --submit"),
        (["submit", "--epochs", "5"], "need --resume RUN"),
        (["submit", "--resume", "x", "--name", "y"], "cannot be combined with --resume"),
        (["submit", "--set", "training.folds=5"], "training.folds = 5 makes several runs"),
    ],
)
def test_options_that_do_not_fit_together(words: list[str], problem: str) -> None:
    options = parse(words)
    with pytest.raises(ConfigError, match=problem):
        options.run(options)


def test_the_preferences_come_before_the_options(tmp_path: Path) -> None:
    preferences.update(sbatch="--partition=cpu --account='my lab'")
    options = sbatch_options(tmp_path, "log.txt", "name", "--partition=gpu")
    assert options[-3:] == ["--partition=cpu", "--account=my lab", "--partition=gpu"]


def test_a_path_with_a_backslash_has_no_output_that_slurm_could_open(tmp_path: Path) -> None:
    assert sbatch_options(tmp_path / "a\\b", "log.txt", "name", "")[0] == "--output=/dev/null"


@pytest.mark.usefixtures("slurm")
def test_a_job_that_starts_before_its_number_is_recorded(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch, write_run: WriteRun
) -> None:
    folder = write_run("early")

    def create_and_start(_: RunSpec) -> RunFolder:
        return folder

    def submit_and_finish(*_: object) -> client.Accepted:
        state = folder.state()
        state.status, state.waiting, state.slurm = "finished", None, SlurmJob(id="12")
        folder.state_file.write_bytes(client_encode(state))
        return client.Accepted("12")

    from tuitrain.runs.writer import encode_pretty as client_encode

    monkeypatch.setattr("tuitrain.hosts.slurm.submit.create_run", create_and_start)
    monkeypatch.setattr(client, "submit", submit_and_finish)
    assert submit_run(spec).state().status == "finished"


def test_a_run_is_submitted_again_from_the_present_end_of_its_commands(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folder = write_run("mine", status="stopped")
    folder.control_file.write_text('{"name":"stop","time":1}\n')
    resubmit_run(folder, epochs=9, schedule="hold")
    assert shown_status(folder.state()) == "queued"
    script = (folder.path / "job.sh").read_text()
    assert "--slurm --since 25 --epochs 9 --schedule hold" in script
    assert len(slurm.calls("sbatch")) == 1


def test_a_run_that_slurm_refuses_to_continue_keeps_its_state(slurm: FakeSlurm, write_run: WriteRun) -> None:
    folder = write_run("mine", status="stopped")
    before = folder.state()
    slurm.answer("sbatch", "", 1, error="sbatch: error: no\n")
    with pytest.raises(TuitrainError, match=r"sbatch failed: no\."):
        resubmit_run(folder)
    assert folder.state() == before
