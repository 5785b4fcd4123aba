"""The verdict on a run, in a few lines."""

from textual.content import Content

from tuitrain.analysis import units
from tuitrain.analysis.next_step import TITLES
from tuitrain.analysis.verdict import Verdict
from tuitrain.widgets.terminal.colors import MUTED


def verdict_text(verdict: Verdict, comparing: str, key: str) -> Content:
    """Return the accuracies of the simple classifiers and the sentences of the verdict. Without baselines, `comparing`
    says why, or `key` computes them."""
    lines = [_baselines(verdict, comparing, key)]
    if verdict.comparison:
        beaten = verdict.beats_baseline
        lines.append(Content(verdict.comparison) if beaten else Content.styled(f"! {verdict.comparison}", "$warning"))
    step = verdict.next_step
    lines.append(Content(verdict.failure))
    if step.kind == "none":
        lines.append(Content.styled(step.reason, MUTED))
    else:
        lines.append(Content.assemble("Next step: ", (TITLES[step.kind], "bold"), f". {step.reason}"))
    return Content("\n").join(lines)


def _baselines(verdict: Verdict, comparing: str, key: str) -> Content:
    ranked = " · ".join(f"{each.title} {units.percent(each.accuracy)}" for each in verdict.ranked_baselines)
    if ranked:
        return Content.styled(ranked, MUTED)
    if comparing:
        return Content.styled(comparing, MUTED)
    return Content.assemble(("Not compared with simple classifiers yet: press ", MUTED), (key, "bold"))
