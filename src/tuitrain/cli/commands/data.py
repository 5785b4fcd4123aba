"""`tuitrain data`: list the data sets by name, with their sizes, licences and folders."""

import argparse
from pathlib import Path
from typing import Any

from tuitrain.cli.output import print_json
from tuitrain.cli.table import write_table
from tuitrain.config.data.datasets import DATASETS, found_in
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.text import plain

HEADS = ["name", "images", "classes", "size", "download", "found in", "title", "licence", "licence page"]


def run(options: argparse.Namespace) -> int:
    rows = [*_arrays(options.dir), *_photos(options.dir)]
    if options.json:
        print_json(rows)
    else:
        write_table([HEADS, *(_cells(row) for row in rows)], right={1, 2})
    return 0


def _arrays(dir: str | None) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "images": {"train": info.train, "test": info.test},
            "classes": len(info.classes),
            "size": f"{info.shape[2]}x{info.shape[1]}",
            "download": info.download or None,
            "found": _text(found_in(dir, info.place)) if info.place else "built in",
            "title": info.title,
            "licence": info.licence or None,
            "page": info.page or None,
        }
        for name, info in DATASETS.items()
    ]


def _photos(dir: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, info in PHOTO_DATASETS.items():
        counts = dict(zip(("train", "validation", "test"), info.images, strict=True))
        rows.append(
            {
                "name": name,
                "images": {split: count for split, count in counts.items() if count},
                "classes": info.classes,
                "size": None,
                "download": info.download,
                "found": _text(found_in(dir, info.folder)),
                "title": info.title,
                "licence": info.licence or None,
                "page": info.page,
            }
        )
    return rows


def _text(folder: Path | None) -> str | None:
    return None if folder is None else plain(folder, 1000)


def _cells(row: dict[str, Any]) -> list[str]:
    size, download = row["size"] or "photos", row["download"] or ("-" if row["name"] == "digits" else "?")
    images = f"{sum(row['images'].values()):,}"
    return [
        row["name"], images, str(row["classes"]), size, download, row["found"] or "-", row["title"],
        row["licence"] or "-", row["page"] or "-",
    ]  # fmt: skip
