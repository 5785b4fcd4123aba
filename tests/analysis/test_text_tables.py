import json

import pytest

from tuitrain.analysis.text_tables import csv_text, json_text, markdown


def test_markdown_escapes_what_it_would_interpret() -> None:
    lines = [["a|b", "c"], ["1\n\x1b[2J", "*x* [y](z) <b> `c` #!"]]
    assert markdown(lines) == (
        "| a\\|b | c |\n| --- | --- |\n| 1��\\[2J | \\*x\\* \\[y\\](z) \\<b\\> \\`c\\` \\#\\! |\n"
    )


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("=cmd()", "'=cmd()"), ("+1", "'+1"), ("@a", "'@a"), ("-x", "'-x"), ("-", "'-"), ("-5", "-5"), ("a=b", "a=b"),
        ("", ""), ("a,b", '"a,b"'), (None, ""), (-0.5, "-0.5"), ("\x1b[2J", "�[2J"),
    ],
)  # fmt: skip
def test_csv_cells_are_no_formulas(cell: str | float | None, text: str) -> None:
    assert csv_text([["title", "x"], ["a", cell]]) == f"title,x\na,{text}\n"


def test_json_contains_no_control_characters() -> None:
    value = {"a": "\x1b\x7f\x9b\u200e\u202e\u2028\u2066ä", "b": [1, None]}
    text = json_text(value)
    assert json.loads(text) == value
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "ä" in text
    assert text.endswith("}\n")
