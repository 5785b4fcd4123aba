"""Names of keys for people."""

from textual.binding import Binding

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "comma": ",",
    "full_stop": ".",
}


def key_name(binding: Binding) -> str:
    return binding.key_display or _NAMES.get(binding.key, binding.key)
