"""Writes docs/configuration.md from the table of settings; with --check, only says whether it is up to date."""

import argparse
import sys
from pathlib import Path

from tuitrain.config.formatting import format_value
from tuitrain.config.settings import Setting, sections, settings

INTRODUCTION = """\
# Configuration

<!-- Written by docs/generate.py from src/tuitrain/config/schema.py: change the declarations, not this page. -->

A setting has one name everywhere: in the New run form, in `--set KEY=VALUE`, in a TOML file for
`tuitrain train -c FILE` and in the run's `config.toml`. What is not set has its default. `tuitrain config` prints a
TOML file with all of them, `tuitrain config --json` this table for programs.

```toml
[data]
dataset = "mnist"

[model]
hidden = [128, 256]

[optimizer]
name = "sgd"
lr = 0.1
momentum = 0.9
```

    tuitrain train -c run.toml --set optimizer.lr=0.05 --set "model.hidden=[512]"

`--set` comes after the file, and the last one of a key wins. TOML has no null: `none` is the word, `"none"` in a file.
Beyond what each setting allows for itself:

- `optimizer.nesterov = true` needs an `optimizer.momentum` above 0.
- `data.dataset = "image-folder"` needs `data.dir`.
- `training.patience` and `schedule.name = "plateau"` need a validation split: `data.validation` above 0.
- `training.precision = "fp16"` needs a GPU.
"""


def page() -> str:
    parts = [INTRODUCTION]
    for section, about in sections().items():
        rows = [_row(item) for item in settings().values() if item.section == section]
        head = ["| key | allowed | default | what it is |", "|---|---|---|---|"]
        parts.append("\n".join([f"## {section}", "", _cell(about) + ".", "", *head, *rows, ""]))
    return "\n".join(parts)


def _row(item: Setting) -> str:
    return f"| `{item.key}` | {_cell(item.allowed)} | `{format_value(item.default)}` | {_cell(item.help)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the page is outdated")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="folder of the page")
    options = parser.parse_args()
    path, wanted = options.to / "configuration.md", page()
    if options.check:
        if path.is_file() and path.read_text(encoding="utf-8") == wanted:
            return 0
        sys.stderr.write(f"{path} is outdated. Write it anew with: python docs/generate.py\n")
        return 1
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
