"""How many labels of a run are likely wrong, as far as the folder of the run and the marks beside it say."""

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import check_own_folder, replace
from tuitrain.runs.files import read_json
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.marks import RIGHT, WRONG, marks_file, read_marks
from tuitrain.runs.records import Count, RunInfo

FILE = "labels.json"


class LabelCheck(Struct, frozen=True):
    """evaluation/labels.json: of `images` labels, `wrong` are likely wrong. `fingerprints` are those of the splits."""

    wrong: Count
    images: Count
    fingerprints: dict[str, str] = {}


def write_label_check(folder: RunFolder, check: LabelCheck) -> None:
    """Replace the stored check. Raises OSError."""
    check_own_folder(folder.evaluations)
    folder.evaluations.mkdir(exist_ok=True)
    replace(folder.evaluations / FILE, msgspec.json.encode(check))


def known_labels(folder: RunFolder, info: RunInfo) -> LabelCheck | None:
    """Return the stored count without the labels that the user has marked as right, or the number of those marked as
    wrong if that is larger. None if nothing is known. Damaged files count as missing."""
    try:
        marks = [mark.mark for mark in read_marks(marks_file(folder)).values()]
    except RunError:
        marks = []
    marked = LabelCheck(marks.count(WRONG), sum(info.sizes.values()))
    try:
        stored = read_json(folder.evaluations / FILE, LabelCheck)
    except RunError:
        stored = None
    if stored is None or stored.fingerprints != info.fingerprints:
        return marked if marked.wrong else None
    return LabelCheck(max(marked.wrong, stored.wrong - marks.count(RIGHT), 0), stored.images)


def label_stamp(folder: RunFolder) -> tuple[int, ...]:
    """Return a value that changes with what `known_labels` reads."""
    stamps = []
    for file in (marks_file(folder), folder.evaluations / FILE):
        try:
            stamps.append(file.stat().st_mtime_ns)
        except OSError:
            stamps.append(0)
    return tuple(stamps)
