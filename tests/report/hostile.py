"""Runs whose every text attacks the reader of a report."""

from typing import Any

import msgspec
import numpy as np

from tuitrain.runs.folder import RunFolder
from tuitrain.runs.marks import Mark, marks_file, write_marks
from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import CodeFile, RunInfo, WeightsInfo
from tuitrain.runs.writer import encode_pretty

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "]]><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "</style></pre></title><script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "javascript:alert(1)",
    "https://evil.example/ www.evil.example",
    "{{ 7 * 7 }}{% raw %}",
    "# heading",
    "- item",
    "```\n<script>alert(1)</script>\n```",
    "| a | b |",
    "$\\frac{1}{0}$ $$",
    "\x1b]0;title\x07\x1b[2J\x9b31m",
    "\u202egnp.exe \ud800 \ufffe \uffff \x00",
    "url(http://evil.example) @import",
    "&lt;script&gt;",
)
EVERYTHING = " ".join(ATTACKS)
# JSON cannot hold a lone surrogate.
IN_JSON = EVERYTHING.replace("\ud800", "")


def attack(folder: RunFolder) -> RunFolder:
    """Fill every text that a run folder contains."""
    info = folder.info()
    for field in msgspec.structs.fields(RunInfo):
        if field.name not in ("id", "format"):
            setattr(info, field.name, _filled(field.type, getattr(info, field.name)))
    info.code = [CodeFile(IN_JSON, IN_JSON, IN_JSON)]
    info.weights = WeightsInfo(source=IN_JSON, file=IN_JSON, sha256=IN_JSON)
    info.parent = IN_JSON
    info.sizes = {"train": 10, "validation": 5, "test": 2}
    info.fingerprints = dict.fromkeys(info.sizes, IN_JSON)
    folder.info_file.write_bytes(encode_pretty(info))
    state = msgspec.structs.replace(folder.state(), reason=IN_JSON, phase=IN_JSON, not_continued=IN_JSON)
    folder.state_file.write_bytes(encode_pretty(state))
    _attack_evaluation(folder)
    write_marks(marks_file(folder), {name: Mark(name, "wrong", name) for name in map(_one_line, ATTACKS)})
    return folder


def _filled(kind: Any, value: Any) -> Any:
    if kind is str:
        return IN_JSON
    if kind == list[str]:
        return [text.replace("\ud800", "") for text in ATTACKS]
    return {IN_JSON: IN_JSON} if kind == dict[str, str] else value


def _attack_evaluation(folder: RunFolder) -> None:
    evaluation = folder.evaluation("test")
    assert evaluation is not None
    classes = [text.replace("\ud800", "") for text in ATTACKS]
    size = len(classes)
    counts = [[3 if row == column else int(column == size - 1) for column in range(size)] for row in range(size)]
    worst = [msgspec.structs.replace(evaluation.worst[0], index=index, true=index, file=text)
             for index, text in enumerate(classes)]  # fmt: skip
    probabilities = np.full((2 * size, size), 0.2 / size, np.float16)
    labels = np.arange(2 * size) % size
    probabilities[np.arange(2 * size), labels] = 0.8
    probabilities[0, [0, 1]] = 0, 0.99
    names = [text.replace("\0", "") for text in ATTACKS] * 2
    folder.write_evaluation(
        msgspec.structs.replace(evaluation, classes=classes, confusion=counts, worst=worst),
        Predictions(labels, probabilities, names, evaluation.step),
    )


def _one_line(text: str) -> str:
    return text.replace("\0", "").replace("\ud800", "")
