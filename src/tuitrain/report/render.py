"""Render a report as HTML or as Markdown. The templates make every text safe: see `_safe_html` and `_safe_markdown`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tuitrain.report.blocks import Charts, Pictures, Report
from tuitrain.report.colors import DARK, LIGHT
from tuitrain.report.escape import data_uri, fenced, markdown_line
from tuitrain.text import markdown_text, plain

# Characters of one text: a command with many settings is long.
LONGEST = 8000
_TEMPLATES = Path(__file__).parent / "templates"


def html(report: Report) -> str:
    """Return one file that needs no other, loads nothing and runs nothing."""
    template = _environment(_safe_html, autoescape=True).get_template("report.html.j2")
    return template.render(report=report, light=LIGHT, dark=DARK, data_uri=data_uri, svg=Markup)


def markdown(report: Report, folder: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown, and the pictures by name that it expects in `folder`, a path relative to its file."""
    files: dict[str, bytes] = {}
    for block in (block for section in report.sections for block in section.blocks):
        if isinstance(block, Charts):
            files |= {f"{chart.name}.svg": chart.svg.encode() for chart in block.charts}
        elif isinstance(block, Pictures):
            files |= {f"{picture.name}.png": picture.png for picture in block.pictures}
    template = _environment(_safe_markdown, autoescape=False).get_template("report.md.j2")
    text = template.render(report=report, folder=Markup(folder), cell=_cell, fenced=fenced, rule=_rule,
                           file=Markup)  # fmt: skip
    return text, files


def _cell(text: object) -> Markup:
    """Return a text within a line, where fewer characters have a meaning."""
    return Markup(markdown_text(text, LONGEST))


def _rule(right: bool) -> Markup:
    return Markup("---:" if right else "---")


@cache
def _environment(finalize: Callable[[object], object], *, autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=autoescape, finalize=finalize, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _safe_html(value: object) -> object:
    """Remove control characters and surrogates from a text; Jinja2 then escapes it."""
    return value if isinstance(value, Markup) else plain(value, LONGEST)


def _safe_markdown(value: object) -> object:
    return value if isinstance(value, Markup) else markdown_line(value, LONGEST)
