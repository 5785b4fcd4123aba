"""Parse reports as a browser would, and refuse what could run, load or leave the page."""

import re
from html.parser import HTMLParser

STRUCTURE = {
    "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "footer", "h1", "h2", "h3",
    "p", "a", "ul", "li", "dl", "div", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre",
    "blockquote", "br", "strong", "span", "figure", "figcaption", "img",
}  # fmt: skip
DRAWING = {"svg", "g", "path", "defs", "clippath", "rect", "text", "use", "tspan"}
VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """The texts and the elements of a page. Feeding it raises AssertionError for anything active or external."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open
        assert len(self.ids) == len(set(self.ids))
        assert set(self.targets) <= set(self.ids)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in STRUCTURE | DRAWING, tag
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attributes:
            self._check(tag, name, value or "")

    def _check(self, tag: str, name: str, value: str) -> None:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("srcdoc", "action", "formaction", "background", "poster", "srcset", "data", "ping"), name
        if name == "id":
            self.ids.append(value)
        elif name == "href":
            assert value.startswith("#"), value
            self.targets.append(value[1:])
        elif name == "src":
            assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", value), value
        elif name in ("style", "clip-path"):
            assert not re.search(r"url\((?!#)|@|expression|\\", value), value
        elif name == "http-equiv":
            assert value == "Content-Security-Policy"

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        if "style" in self._open:
            assert not re.search(r"url\(|@import|http", text)
        else:
            self.texts.append(text)

    def handle_comment(self, text: str) -> None:
        raise AssertionError(f"a comment: {text}")

    def unknown_decl(self, text: str) -> None:
        raise AssertionError(f"a declaration: {text}")

    def handle_pi(self, text: str) -> None:
        raise AssertionError(f"an instruction: {text}")
