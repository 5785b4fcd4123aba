"""The colors of a report by name, on light and on dark pages.

The series are those of the themes tuitrain-light and tuitrain-dark: distinguishable with every kind of color vision.
"""

# Each value occurs once, so that a drawing names its colors by their values.
LIGHT = {
    "page": "#ffffff",
    "panel": "#f4f6f8",
    "ink": "#1a1e25",
    "muted": "#566070",
    "faint": "#8a96a8",
    "line": "#dde2e8",
    "accent": "#1f6399",
    "warning": "#9a5b00",
    "right": "#2a6fb0",
    "wrong": "#c0500f",
    "on-color": "#fffffe",
    "series-1": "#346ea4",
    "series-2": "#ba4b0d",
    "series-3": "#229374",
    "series-4": "#9f306c",
    "series-5": "#c97a12",
    "series-6": "#218ef6",
    "series-7": "#563ac3",
    "series-8": "#7d89b9",
}
DARK = {
    "page": "#14171c",
    "panel": "#1d222a",
    "ink": "#d3d9e2",
    "muted": "#9aa6b6",
    "faint": "#6b7788",
    "line": "#2b323c",
    "accent": "#6cb2eb",
    "warning": "#e0b05f",
    "right": "#3b86cc",
    "wrong": "#d9691f",
    "on-color": "#ffffff",
    "series-1": "#4faff8",
    "series-2": "#f5a80d",
    "series-3": "#40a07c",
    "series-4": "#b065ab",
    "series-5": "#f3eb58",
    "series-6": "#ec5f0d",
    "series-7": "#7a72ea",
    "series-8": "#a9bfb5",
}
SERIES = tuple(name for name in LIGHT if name.startswith("series-"))
