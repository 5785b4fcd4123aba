import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from tuitrain.config.data.schema import Augmentation
from tuitrain.config.schema import Config
from tuitrain.config.settings import Setting, sections, settings

GENERATOR = Path(__file__).parents[2] / "docs/generate.py"
EACH = pytest.mark.parametrize("setting", settings().values(), ids=settings())


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, GENERATOR, *arguments], capture_output=True, text=True, check=False)


@EACH
def test_a_setting_has_help_and_allowed_values(setting: Setting) -> None:
    assert setting.help
    assert setting.help[-1] != "."
    assert "\n" not in setting.help + setting.allowed
    assert setting.allowed.endswith(", or none") == setting.optional
    for choice in setting.choices:
        assert choice in setting.allowed


@EACH
def test_defaults_are_valid(setting: Setting) -> None:
    assert msgspec.convert(setting.default, setting.annotation, strict=True) == setting.default


def test_the_table_lists_every_field_of_the_configuration() -> None:
    tree = msgspec.to_builtins(Config())
    assert list(settings()) == [f"{section}.{name}" for section, values in tree.items() for name in values]
    assert {key: msgspec.to_builtins(item.default) for key, item in settings().items()} == {
        f"{section}.{name}": value for section, values in tree.items() for name, value in values.items()
    }
    assert list(sections()) == list(tree)
    assert all(sections().values())


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("data.batch_size", "a whole number >= 1, or auto"),
        ("data.validation", "a number >= 0 and < 1"),
        ("data.augment", f"a list, each one of {', '.join(get_args(Augmentation))}"),
        ("data.normalize", "true or false"),
        ("model.hidden", "a list, each a whole number >= 1 and <= 65536"),
        ("optimizer.lr", "a number > 0"),
        ("optimizer.clip_norm", "a number > 0, or none"),
        ("training.epochs", "a whole number >= 1 and <= 1000000000"),
        ("training.device", "auto, cpu, cuda, cuda:0 to cuda:99 or mps"),
        ("training.seed", "a whole number >= 0"),
        ("schedule.name", "one of constant, step, exponential, cosine, one-cycle, plateau"),
    ],
)
def test_allowed_values_in_words(key: str, allowed: str) -> None:
    assert settings()[key].allowed == allowed


def test_the_configuration_page_is_up_to_date() -> None:
    checked = generate("--check")
    assert checked.returncode == 0, checked.stderr
    page = GENERATOR.with_name("configuration.md").read_text(encoding="utf-8")
    for key in settings():
        assert page.count(f"\n| `{key}` |") == 1


def test_generate_detects_and_updates_an_outdated_page(tmp_path: Path) -> None:
    page = tmp_path / "configuration.md"
    assert generate("--check", "--to", str(tmp_path)).returncode == 1
    assert not page.exists()
    assert generate("--to", str(tmp_path)).returncode == 0
    assert generate("--check", "--to", str(tmp_path)).returncode == 0
    page.write_text(page.read_text(encoding="utf-8").replace("optimizer.lr", "optimizer.rate"), encoding="utf-8")
    outdated = generate("--check", "--to", str(tmp_path))
    assert outdated.returncode == 1
    assert "configuration.md" in outdated.stderr
    assert "optimizer.rate" in page.read_text(encoding="utf-8")


def test_the_examples_on_the_page_are_valid(tmp_path: Path) -> None:
    from tuitrain.config.toml import loads

    generate("--to", str(tmp_path))
    blocks = (tmp_path / "configuration.md").read_text(encoding="utf-8").split("```toml\n")[1:]
    assert blocks
    for block in blocks:
        text = block.partition("```")[0]
        assert tomllib.loads(text)
        assert loads(text) != Config()
