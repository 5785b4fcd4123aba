"""GPUs as the driver describes them, and as it fails to."""

import getpass
import os

import pynvml
import pytest

from machine.fake_nvml import GB, NOT_SUPPORTED, FakeGpu, FakeNvml, error, mig_instance, process
from tuitrain.machine.gpus import PROBLEMS, GpuReader
from tuitrain.machine.tables import gpu_lines, problems, short_gpu_text, user_lines

CODES = [getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_")]


@pytest.fixture(autouse=True)
def all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_busy_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = process(os.getpid(), 40 * GB)
    FakeNvml(monkeypatch, [FakeGpu({"ComputeRunningProcesses": [mine, process(2**22 + 1, None)]})])
    gpus = GpuReader().read({os.getpid(): "my run"})
    assert gpus.driver == "570.86.15"
    assert gpu_lines(gpus)[1] == [
        "0", "93 %", "61.0 GB of 85.0 GB", "71 °C", "655 of 700 W", "power limit", "H100 80GB HBM3",
        "1,410 of 1,980 MHz",
    ]  # fmt: skip
    ours, other = user_lines(gpus)[1:]
    assert ours[:5] == ["0", str(os.getpid()), getpass.getuser(), "40.0 GB", "my run"]
    assert "python" in ours[5] or "pytest" in ours[5]
    # Its pid means nothing here, as that of a process in another container.
    assert other == ["0", str(2**22 + 1), "-", "-", "-", "in another container"]
    assert short_gpu_text(gpus) == "gpu 93 % · 61.0 GB of 85.0 GB"


@pytest.mark.parametrize("code", CODES)
def test_a_driver_that_answers_every_question_with_an_error(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    fake = FakeNvml(monkeypatch, [FakeGpu()], init=error(code))
    reader = GpuReader()
    found = reader.read()
    assert not found.devices
    assert found.problem.startswith(PROBLEMS.get(code, "The NVIDIA driver answers: "))
    # It is asked again later: a driver may be loaded in the meantime.
    fake.init = None
    assert len(reader.read().devices) == 1
    silent = FakeGpu(dict.fromkeys(FakeGpu().answers, error(code)))
    fake.gpus = [silent, error(code), FakeGpu()]
    first, second, third = reader.read().devices
    assert first.use is None
    assert second.problem
    assert not third.problem
    assert all(len(line) == len(gpu_lines(reader.read())[0]) for line in gpu_lines(reader.read()))


def test_a_lost_gpu_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = error(pynvml.NVML_ERROR_GPU_IS_LOST)
    FakeNvml(monkeypatch, [FakeGpu(), FakeGpu({"MemoryInfo": lost}), lost])
    gpus = GpuReader().read()
    assert [gpu.problem for gpu in gpus.devices] == ["", PROBLEMS[15], PROBLEMS[15]]
    assert gpu_lines(gpus)[3][6] == "no answer"
    assert problems(gpus) == [f"gpu {index}: {PROBLEMS[15]}" for index in (1, 2)]
    assert short_gpu_text(gpus) == "gpus 93 lost lost %"


def test_a_gpu_whose_memory_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeNvml(monkeypatch, [FakeGpu({"MemoryInfo": NOT_SUPPORTED, "PowerUsage": NOT_SUPPORTED})])
    assert gpu_lines(GpuReader().read())[1][1:5] == ["93 %", "-", "71 °C", "-"]


def test_instances_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    used = mig_instance("MIG-1", ComputeRunningProcesses=[process(os.getpid(), GB)])
    whole = FakeGpu(
        {"MigMode": [1, 1], "UtilizationRates": NOT_SUPPORTED, "ComputeRunningProcesses": [process(os.getpid(), GB)]},
        instances=[used, None, mig_instance("MIG-2")],
    )
    FakeNvml(monkeypatch, [FakeGpu(), whole])
    gpus = GpuReader().read({os.getpid(): "my run"})
    assert [line[0] for line in gpu_lines(gpus)[1:]] == ["0", "1", "1:0", "1:2"]
    assert gpu_lines(gpus)[3] == ["1:0", "-", "2.0 GB of 42.0 GB", *"---", "H100 80GB HBM3 MIG 3g.40gb", "-"]
    # The process is listed once, at its instance.
    assert [line[0] for line in user_lines(gpus)[1:]] == ["1:0"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("", ""), ("0", "0"), ("1", "1 1:0 1:1"), ("0, 1", "0 1 1:0 1:1"), ("GPU-3a1f", "0"), ("GPU-3a", "0"),
        ("MIG-bb", "1 1:1"), ("1:0", "1 1:0"), ("-1", ""), ("7", ""),
    ],
)  # fmt: skip
def test_gpus_that_runs_may_use(monkeypatch: pytest.MonkeyPatch, visible: str, expected: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    split = FakeGpu({"UUID": "GPU-77", "MigMode": [1, 1]}, [mig_instance("MIG-aa"), mig_instance("MIG-bb")])
    FakeNvml(monkeypatch, [FakeGpu(), split])
    shown = [line[0] for line in gpu_lines(GpuReader().read())[1:] if "hidden" not in line[6]]
    assert " ".join(shown) == expected


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (0, "-"),
        (0x1 | 0x2 | 0x100, "-"),
        (0x20 | 0x40, "temperature"),
        (0x4 | 0x8 | 0x80, "power limit, hardware, power brake"),
    ],
)
def test_what_slows_a_gpu(monkeypatch: pytest.MonkeyPatch, reasons: int, expected: str) -> None:
    FakeNvml(monkeypatch, [FakeGpu({"CurrentClocksThrottleReasons": reasons})])
    assert gpu_lines(GpuReader().read())[1][5] == expected


def test_names_from_the_driver_are_safe_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeNvml(monkeypatch, [FakeGpu({"Name": "a\x1b]0;b\x07\n"})])
    assert gpu_lines(GpuReader().read())[1][6].isprintable()


def test_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeNvml(monkeypatch, [])
    gpus = GpuReader().read()
    assert gpus.problem == "The NVIDIA driver finds no GPU."
    assert short_gpu_text(gpus) == ""
