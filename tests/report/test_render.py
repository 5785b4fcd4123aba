"""What reaches the reader of a report: no text of a run becomes structure, and nothing is active or external."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from report.hostile import ATTACKS, attack
from report.pages import Page
from tuitrain.report.blocks import Block, Code, Facts, Headline, Quote, Report, Section, Table, Text
from tuitrain.report.render import html, markdown
from tuitrain.report.write import write_report
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

WriteRun = Callable[..., RunFolder]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@pytest.fixture
def hostile(write_run: WriteRun) -> list[RunFolder]:
    return [attack(write_run(f"hostile {number}", "data.dir=<script>x</script>", "training.seed=1",
                             f"optimizer.lr=0.{number}")) for number in (1, 2)]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
def test_a_hostile_run_executes_and_loads_nothing(hostile: list[RunFolder], tmp_path: Path, count: int) -> None:
    write_report(hostile[:count], tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in text
    assert page.tags.count("style") == 1
    assert {"script", "iframe", "object", "embed", "link", "form"}.isdisjoint(page.tags)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    shown = " ".join(page.text.split())
    assert all(" ".join(plain(name.replace("\ud800", "")).split()) in shown for name in ATTACKS)


@pytest.mark.parametrize("count", [1, 2])
def test_hostile_names_become_no_markdown(hostile: list[RunFolder], tmp_path: Path, count: int) -> None:
    path, *pictures = write_report(hostile[:count], tmp_path / "r.md")
    text = path.read_text(encoding="utf-8")
    tokens = parsed(text)
    active = {"html_block", "html_inline", "link_open", "code_inline", "code_block", "hr", "em_open"}
    assert active & {token.type for token in tokens} == set()
    sources = {str(token.attrs["src"]) for token in tokens if token.type == "image"}
    assert {f"r_files/{picture.name}" for picture in pictures} == sources
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\):(?=//)|www\.", outside)


def parsed(text: str) -> list[Token]:
    """Return the elements of a Markdown text, with those in its lines."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    return [token for block in blocks for token in (block, *(block.children or ()))]


def structure(text: str) -> list[str]:
    """Return the elements of a report of every block with this `text`."""
    blocks: list[Block] = [
        Text(text), Quote([text, text]), Headline(text, text), Facts([(text, text)]), Code(text, text),
        Table([[text, text], [text, text]], title=text),
    ]  # fmt: skip
    report = Report(text, text, [Section(text, blocks)], text)
    assert Page(html(report)).tags == Page(html(replace(report, title="x"))).tags
    return [token.type for token in parsed(markdown(report, "f")[0]) if token.type not in ("text", "text_special")]


OTHERS = (
    "1. item",
    "+ item",
    "> quote",
    "---",
    "===",
    "    code",
    "\tcode",
    "2) x",
    "**b** _i_ `c`",
    "a\\",
    "x\n\ny",
)


@pytest.mark.parametrize("text", [*ATTACKS, *OTHERS])
def test_no_text_becomes_structure(text: str) -> None:
    assert structure(text) == structure("x")


def test_drawings_are_valid_files_of_their_own(hostile: list[RunFolder], tmp_path: Path) -> None:
    _, *pictures = write_report(hostile, tmp_path / "r.md")
    drawings = [path for path in pictures if path.suffix == ".svg"]
    assert len(drawings) == 3
    for path in drawings:
        root = ElementTree.fromstring(path.read_bytes())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not [
            element for element in root.iter() if element.tag.endswith(("script", "image", "foreignObject", "a"))
        ]
        links = [value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")]
        assert all(link.startswith("#") for link in links)
        assert "var(" not in path.read_text(encoding="utf-8")
