"""Read what an app shows."""

from typing import Any

from textual.app import App
from textual.strip import Strip

from tuitrain.widgets.terminal.footer import FittingFooter


def strips(app: App[Any]) -> list[Strip]:
    return app.screen._compositor.render_strips()


def lines(app: App[Any]) -> list[str]:
    return [strip.text for strip in strips(app)]


def text(app: App[Any]) -> str:
    return "\n".join(lines(app))


def footer(app: App[Any]) -> list[str]:
    return [key.description for key in app.screen.query_one(FittingFooter).keys]
