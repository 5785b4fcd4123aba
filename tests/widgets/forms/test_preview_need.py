"""The form says what a run needs, and warns if it does not fit."""

from tuitrain.analysis.memory import GPU_WORKSPACE, Need, StepEstimate
from tuitrain.config.schema import Config
from tuitrain.hosts.preview.preview import NetworkSummary, Preview
from tuitrain.widgets.forms.preview import facts

STEP = StepEstimate(
    parameters=12_300_000, trainable=12_300_000, flops=4_100_000_000, weights=50, gradients=50, optimizer=100,
    average=0, inputs=10, activations=900, training=10**9, evaluation=10**8, checkpoint=0, features=0,
)  # fmt: skip


def lines(free: int | None, device: str = "cpu", *, compact: bool = False) -> str:
    need = Need(step=STEP, batch_size=64, images=10**8, device=device, free=free)
    preview = Preview(Config(), network=NetworkSummary("resnet18", STEP.parameters, ()), need=need, final=True)
    return facts(preview, 1, {}, compact=compact).plain


def test_what_the_run_needs_fits_into_each_layout() -> None:
    found = lines(8 * 10**9).splitlines()
    assert "size     12,300,000 parameters · 4.1 GFLOP per step" in found
    assert "memory   1.3 GB of 8.0 GB free on cpu" in found
    compact = lines(8 * 10**9, compact=True).splitlines()
    assert "network  resnet18 · 12,300,000 parameters · 1.3 GB of 8.0 GB free on cpu" in compact
    assert max(map(len, found)) < 60
    assert max(map(len, compact)) < 78
    assert not any("does not fit" in line for line in found)
    assert "1.3 GB on cpu" in lines(None)


def test_a_run_that_does_not_fit_has_a_warning_in_each_layout() -> None:
    for compact in (False, True):
        assert "does not fit: needs 1.3 GB" in lines(10**9, compact=compact)


def test_a_gpu_needs_a_workspace_beside_the_margin() -> None:
    limit = round(1.2 * 10**9) + 10**8 + GPU_WORKSPACE
    assert "does not fit" not in lines(limit, "cuda:0")
    assert "does not fit" in lines(limit - 1, "cuda:0")
