"""Draw figures with Matplotlib as SVG: the same file for the same data, in colors that follow the page.

Texts stay texts, so that readers can search them and any script works. Where DejaVu Sans is missing, Verdana has nearly
the same widths.
"""

import io
import logging
import re
import warnings
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuitrain.report.blocks import Chart
from tuitrain.report.colors import LIGHT
from tuitrain.text import plain

# Characters that XML 1.0 forbids and `plain` keeps.
_NOT_XML = re.compile("[\ufffe\uffff]")
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_NAMES = {color: name for name, color in LIGHT.items()}
_COLOR = re.compile("|".join(_NAMES))

# A matplotlibrc of the user must not change reports.
matplotlib.rcdefaults()
matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "tuitrain",
        # A name such as "$x$" is no formula.
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": LIGHT["faint"],
        "axes.labelcolor": LIGHT["muted"],
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "grid.color": LIGHT["line"],
        "grid.linewidth": 0.6,
        "text.color": LIGHT["ink"],
        "xtick.color": LIGHT["faint"],
        "ytick.color": LIGHT["faint"],
        "xtick.labelcolor": LIGHT["muted"],
        "ytick.labelcolor": LIGHT["muted"],
        "lines.linewidth": 1.6,
        "legend.frameon": False,
        "legend.labelcolor": LIGHT["ink"],
        "figure.constrained_layout.use": True,
    }
)
# A library must not write on the terminal. The browser finds other fonts for the glyphs that DejaVu Sans lacks.
logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of this size in inches, without pyplot, which keeps figures and picks a backend."""
    drawn = Figure(figsize=(width, height), facecolor=LIGHT["page"])
    axes = drawn.add_subplot()
    axes.set_facecolor("none")
    return drawn, axes


def label(text: object, limit: int) -> str:
    """Return a text that is safe in an SVG file."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", plain(text, limit))


def chart(drawn: Figure, title: str, name: str, text: str) -> Chart:
    """Return the figure as SVG; see `Chart`."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _clean(root, name, label(text, 1000))
    inline = ElementTree.tostring(root, "unicode")
    # HTML knows the namespaces of SVG.
    for namespace in (f' xmlns="{_SVG}"', f' xmlns:xlink="{_XLINK}"', "xlink:"):
        inline = inline.replace(namespace, "")
    _use_literal_colors(root)
    return Chart(title, name, text, ElementTree.tostring(root, "unicode"), inline)


def _clean(root: ElementTree.Element, name: str, text: str) -> None:
    """Describe the drawing, remove what no reader sees, make the ids unique in a page, and refer to its colors."""
    root.attrib |= {"role": "img", "aria-label": text}
    # In an HTML page, the style sheet of a drawing would apply to all of the page.
    for parent, tag in ((root, "metadata"), *((child, "style") for child in root)):
        for child in parent.findall(f"{{{_SVG}}}{tag}"):
            parent.remove(child)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    used = {match for element in root.iter() for match in re.findall(r"#([\w-]+)", " ".join(_references(element)))}
    for element in root.iter():
        if (id := element.get("id")) is not None:
            del element.attrib["id"]
            if id in used:
                element.set("id", f"{name}-{id}")
        for attribute, value in element.attrib.items():
            if attribute.endswith("href"):
                element.set(attribute, value.replace("#", f"#{name}-"))
            elif attribute == "clip-path":
                element.set(attribute, value.replace("url(#", f"url(#{name}-"))
            elif attribute == "style":
                element.set(attribute, _COLOR.sub(_variable, value).replace("'DejaVu Sans'", _FONTS))


def _references(element: ElementTree.Element) -> list[str]:
    return [value for name, value in element.attrib.items() if name.endswith("href") or name == "clip-path"]


def _variable(match: re.Match[str]) -> str:
    return f"var(--{_NAMES[match[0]]})"


def _use_literal_colors(root: ElementTree.Element) -> None:
    """Give a drawing that stands alone its own colors."""
    for element in root.iter():
        if (style := element.get("style")) is not None:
            element.set("style", re.sub(r"var\(--([\w-]+)\)", lambda match: LIGHT[match[1]], style))
