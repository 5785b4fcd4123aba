"""A model card shows names as they are, whatever they contain."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation, RunInfo, WeightsInfo
from tuitrain.training.export.card import card
from tuitrain.training.export.description import describe
from tuitrain.training.export.trained import Trained

HOSTILE = (
    '"quoted" \\ back', "a: b # c", "---", "<script>alert(1)</script>", "![x](http://evil)", "| cell |", "`code`",
    "*b* _i_", "&lt;b&gt;", "$x$", "~~gone~~", "é 猫 \U0001f408", "null", "- item", "\x1b[31mred\u202e\n# Title",
    "{{ jinja }}", "",
)  # fmt: skip


def trained(
    name: str, notes: str = "", classes: tuple[str, ...] = ("a", "b"), settings: dict[str, str] | None = None
) -> Trained:
    count = len(classes)
    confusion = [[2 if row == column else 1 for column in range(count)] for row in range(count)]
    info = RunInfo(
        id="20260101-000000-x-abcd", name=name, notes=notes, shape=(3, 8, 8), classes=list(classes), mean=[0.5] * 3,
        std=[0.2] * 3, model=name, device=name, data_notes=[name], weights=WeightsInfo(file=name), white=255,
    )  # fmt: skip
    test = Evaluation(
        split="test", checkpoint="last", epoch=1, step=1, loss=0.5, accuracy=0.75, classes=list(classes),
        confusion=confusion, true=bytes(2 * sum(map(sum, confusion))),
    )  # fmt: skip
    config = override(Config(), [f"{key}={value}" for key, value in (settings or {}).items()])
    return Trained(RunFolder(Path("x")), "last", info, config, {}, 1, 1, test)


def page(run: Trained, format: str = "onnx") -> str:
    return card(run, describe(run, "normalized"), format, "model.onnx", folder=True).decode()


def front_matter(text: str) -> dict[str, Any]:
    begin, matter, _ = text.split("---\n", 2)
    assert not begin
    found: dict[str, Any] = yaml.safe_load(matter)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_neither_yaml_nor_markup(name: str) -> None:
    plain = front_matter(page(trained("x")))
    text = page(trained(name, notes=name, classes=(name, "other")))
    matter = front_matter(text)
    assert {**matter, "model-index": None} == {**plain, "model-index": None}
    shown = matter["model-index"][0]["name"]
    assert shown == re.sub("[\x00-\x1f\u202e]", "\ufffd", name) or not name
    body = text.split("---\n", 2)[2]
    # Only the card's own lines have markup, so that a hostile name adds none.
    assert not re.search(r"(?<!\\)<|(?<!\\)!\[|(?<!\\)&|(?<!\\)\$|(?<!\\)~|\x1b|\u202e", body)
    headings = re.findall("^#+ .*", body, re.MULTILINE)
    assert headings[1:] == ["## Results", "## How to use it", "## Training", "## Limits"]
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in body.splitlines() if line.startswith("|")}
    assert cells == {3, 5}
    assert ModelCard(text).data.get("pipeline_tag") == "image-classification"


def test_a_card_contains_results_and_settings_but_no_paths_or_commands() -> None:
    settings = {
        "data.dataset": "image-folder", "data.dir": "/home/me/secret/birds", "notify.command": "curl secret",
        "optimizer.lr": "0.02", "data.labels": "/home/me/secret/labels.csv",
    }  # fmt: skip
    text = page(trained("Birds", "Taken in May", settings=settings))
    result = front_matter(text)["model-index"][0]["results"][0]
    assert result["dataset"] == {"name": "birds", "type": "birds", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "value": 0.75}]
    assert front_matter(text)["license"] == "unknown"
    for shown in ("75.00 %", "| optimizer.lr | 0.02 |", "labels.csv", "Notes: Taken in May", "on birds."):
        assert shown in text
    assert "secret" not in text
