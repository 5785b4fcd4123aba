"""The content of a report, independent of its format: sections of texts, tables, charts and pictures.

All texts may be hostile; `render` makes them safe.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tuitrain.analysis.text_tables import Lines


@dataclass(frozen=True)
class Text:
    """A paragraph. With the tone `missing` it says what the run lacks, with `warning` what needs attention."""

    kind: ClassVar = "text"
    text: str
    tone: Literal["", "missing", "warning"] = ""


@dataclass(frozen=True)
class Quote:
    """The lines of a text that the user wrote."""

    kind: ClassVar = "quote"
    lines: Sequence[str]


@dataclass(frozen=True)
class Headline:
    """The most important number of a run, and a `text` that describes it."""

    kind: ClassVar = "headline"
    value: str
    text: str


@dataclass(frozen=True)
class Facts:
    """A list of names with their values."""

    kind: ClassVar = "facts"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table whose first line has the titles. `right` contains the indices of the right-aligned columns."""

    kind: ClassVar = "table"
    lines: Lines
    right: Collection[int] = ()
    title: str = ""


@dataclass(frozen=True)
class Code:
    """A command or a file that readers copy."""

    kind: ClassVar = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing. `name` is that of its file, and `text` describes it to readers who cannot see it. `svg` is the content
    of the file, and `inline` the same drawing for an HTML page, in the page's colors."""

    title: str
    name: str
    text: str
    svg: str
    inline: str


@dataclass(frozen=True)
class Charts:
    """Charts that a page shows side by side."""

    kind: ClassVar = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Picture:
    """An image as a PNG file, and the lines of its caption."""

    name: str
    png: bytes
    lines: Sequence[str]


@dataclass(frozen=True)
class Pictures:
    """Pictures that a page shows in a grid."""

    kind: ClassVar = "pictures"
    pictures: Sequence[Picture]


Block = Text | Quote | Headline | Facts | Table | Code | Charts | Pictures


@dataclass(frozen=True)
class Section:
    """A part of a report below a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A report: `subtitle` follows its title, and `about` says which version of tuitrain wrote it, and when."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    about: str
