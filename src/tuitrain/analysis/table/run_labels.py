"""Label runs by the settings in which they differ, as `adam .01 s0`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tuitrain.analysis.table.columns import columns, join_list
from tuitrain.analysis.table.layout import priority
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import SEED
from tuitrain.runs.changes import Changed
from tuitrain.text import plain

OPTIMIZER, LR = "optimizer.name", "optimizer.lr"
MAX_LABEL = 60


class Labelled(Struct, frozen=True):
    """A run to label. `named` says that the user chose the name; `settings` are its values by dotted key."""

    id: str
    name: str
    named: bool
    settings: Mapping[str, Any]


def run_labels(runs: Sequence[Labelled]) -> dict[str, str]:
    """Return a distinct label for each run by id, safe to show: the name that the user chose if no other run has it,
    otherwise the values of as few settings as tell the runs apart. Runs with equal settings are numbered."""
    names = {run.id: plain(run.name, MAX_LABEL).strip() or plain(run.id, MAX_LABEL) for run in runs}
    counts = Counter(names.values())
    own = {run.id for run in runs if run.named and counts[names[run.id]] == 1}
    others = [run for run in runs if run.id not in own]
    keys = _needed_settings(others)
    labels = {run.id: _setting_words(run.settings, keys) or names[run.id] for run in others}
    labels |= {id: names[id] for id in own}
    return _numbered([run.id for run in runs], labels)


def _needed_settings(runs: Sequence[Labelled]) -> list[str]:
    """Return settings that tell the runs apart as well as all that differ do, leaving out the less important ones."""
    known = [run.settings for run in runs if run.settings]
    keys = [key for key in columns() if len({str(values[key]) for values in known if key in values}) > 1]
    keys.sort(key=priority)

    def distinct(chosen: Sequence[str]) -> int:
        return len({tuple(str(values.get(key)) for key in chosen) for values in known})

    for key in keys[::-1]:
        fewer = [other for other in keys if other != key]
        if distinct(fewer) == distinct(keys):
            keys = fewer
    return keys


def _setting_words(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    return " ".join(plain(_word(key, settings[key], keys), MAX_LABEL) for key in keys if key in settings)


def _word(key: str, value: Any, keys: Sequence[str]) -> str:
    """Return `adam`, `.01` for the learning rate beside an optimizer, `s0` for a seed, and `batch=64` for other
    numbers."""
    text = str(value) if isinstance(value, Changed) else _brief(value)
    if key == SEED:
        return f"s{text}"
    if (key == LR and OPTIMIZER in keys) or (isinstance(value, str) and text not in ("none", "auto")):
        return text
    return f"{columns()[key].title.replace(' ', '-')}={text}"


def _brief(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:g}"
        return text.removeprefix("0") if text.startswith("0.") else text
    return join_list(value) if isinstance(value, tuple) else format_value(value)


def _numbered(ids: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """Add `#1`, `#2` … in the order of the ids, which is that of creation, to labels that several runs have."""
    counts, seen, numbered = Counter(labels.values()), Counter[str](), dict[str, str]()
    for id in sorted(ids):
        label = labels[id]
        seen[label] += 1
        numbered[id] = f"{label} #{seen[label]}" if counts[label] > 1 else label
    return numbered
