import os
import random
import tomllib
from pathlib import Path

import pytest

from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.toml import MAX_CHARACTERS, dumps, loads, read, read_text, template
from tuitrain.config.values import build_config, flatten, override
from tuitrain.errors import ConfigError
from tuitrain.text import plain

# No setting has its default.
OTHER = build_config(
    {
        "data.dataset": "cifar10", "data.dir": "/a b/ä\"'\\#", "data.layout": "classes",
        "data.labels": "labels.csv", "data.group": "patient", "data.exclude": "bad.csv", "data.split_by": "position",
        "data.batch_size": 7, "data.sampler": "balanced", "data.fraction": 0.5, "data.fold": "2/5",
        "data.validation": 1 / 3, "data.normalize": False, "data.augment": ("flip", "crop"),
        "data.image_size": 33, "data.resize_builtin": False, "data.channels": "grey",
        "data.value_range": (-160.0, 240.5),
        "data.storage": "stream", "data.cache_gb": 1.5, "data.workers": 0, "data.transform": "x.py:f",
        "model.name": "x.py:Net",
        "data.crop_scale": 0.5, "data.rotate_degrees": 180.0, "data.color_strength": 1.0,
        "data.randaugment_magnitude": 0, "data.erase_probability": 1.0, "data.mixup_alpha": 0.05,
        "data.cutmix_alpha": 100.0, "data.resize": "pad",
        "model.hidden": (), "model.channels": (3, 4), "model.convolutions": 1,
        "model.activation": "gelu", "model.dropout": 0.25, "model.batch_norm": True, "model.args": {"a": 1},
        "model.weights": "run:best",
        "finetune.freeze": "backbone", "finetune.freeze_epochs": 3, "finetune.layer_decay": 0.75,
        "finetune.head_lr": 10.0, "finetune.freeze_norms": False, "optimizer.decay_norms": False, "training.ema": 0.99,
        "optimizer.name": "sgd", "optimizer.lr": 1e-12, "optimizer.momentum": 0.95, "optimizer.nesterov": True,
        "optimizer.weight_decay": 1e300, "optimizer.beta1": 0.0, "optimizer.beta2": 0.9999999999999999,
        "optimizer.clip_norm": 0.1 + 0.2, "optimizer.accumulate": 4, "schedule.name": "plateau",
        "schedule.warmup": 0.5, "schedule.every": 1.0, "schedule.gamma": 1.0, "schedule.patience": 0,
        "schedule.final": 0.0, "training.epochs": 10**9, "training.seed": 2**63 - 1, "training.device": "cuda",
        "training.devices": "0,3", "training.nodes": 3,
        "training.precision": "bf16", "training.label_smoothing": 0.1, "training.log_every": 1,
        "training.class_weights": "balanced",
        "training.max_minutes": 0.5, "training.patience": 2, "training.best": "macro-f1",
        "training.min_delta": 0.25, "evaluation.at_start": True,
        "training.checkpoint_every": 0.1, "training.threads": 2,
        "training.deterministic": True, "evaluation.test_every": 3, "notify.command": "say 'done' # $TUITRAIN_RUN",
    }
)  # fmt: skip
MINE = """\
# my best so far
[optimizer]   # order is mine
lr = 0.1 # was 0.01
name = 'sgd'

# a remark
[model]
hidden = [
    64,  # first
    32,
]
"""


def error_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        loads(text, "run.toml")
    return raised.value


def test_dumps_and_loads_are_inverse() -> None:
    # data.fold rules out training.folds, and training.devices the other two.
    unchanged = [key for key, setting in settings().items() if flatten(OTHER)[key] == setting.default]
    assert unchanged == ["training.folds", "training.checkpointing", "training.compile"]
    assert loads(dumps(OTHER)) == OTHER
    assert loads(dumps(Config())) == Config()


def test_dumps_writes_the_same_text_with_and_without_an_original() -> None:
    for config in (Config(), override(OTHER, ["model.args={}"])):
        assert dumps(config) == dumps(config, "[data]\n")


@pytest.mark.parametrize("name", PRESETS)
def test_dumps_and_loads_are_inverse_for_presets(name: str) -> None:
    assert loads(dumps(preset(name))) == preset(name)


def test_dumps_writes_every_setting() -> None:
    tree = tomllib.loads(dumps(OTHER))
    assert [f"{section}.{name}" for section, values in tree.items() for name in values] == list(settings())


def test_the_template_has_the_defaults_and_all_help() -> None:
    text = template()
    assert loads(text) == Config()
    for setting in settings().values():
        line = "[model.args]" if setting.key == "model.args" else f"{setting.key.partition('.')[2]} = "
        assert f"# {setting.help} ({setting.allowed})\n{line}" in text
    # Values can be written into the template, and its comments stay.
    assert loads(dumps(OTHER, text)) == OTHER
    assert [line for line in dumps(OTHER, text).splitlines() if line.startswith("#")] == [
        line for line in text.splitlines() if line.startswith("#")
    ]


def test_dumps_keeps_comments_order_and_spelling() -> None:
    config = loads(MINE)
    text = dumps(config, MINE)
    assert loads(text) == config
    lines = [line for line in text.splitlines() if line]
    mine = [line for line in MINE.splitlines() if line]
    assert [line for line in lines if line in mine] == mine


def test_dumps_writes_overrides_into_the_users_file() -> None:
    changed = build_config(flatten(loads(MINE)) | {"optimizer.lr": 0.5, "model.hidden": (8,)})
    text = dumps(changed, MINE)
    assert loads(text) == changed
    assert "lr = 0.5 # was 0.01" in text
    assert "# a remark" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but this",
        "optimizer.lr = 0.1 # dotted\nmodel.name = 'cnn'\noptimizer.momentum = 0.5\n",
        "data = {dataset = 'mnist', augment = ['flip']} # inline\n",
        "[data]\r\ndataset = 'mnist' # Windows\r\n\r\n[model]\r\n",
        "[optimizer]\nlr = 1 # a whole number\n",
        '[data]\n"dir" = """a"""\ntransform = \'\'\'b.py:f\'\'\'\n',
        "model.name = 'cnn'\n[data]\nbatch_size = 0x10\n",
        "[model]\nhidden = [1,2,\n# c\n3]\n[training]\nepochs = 1_000",
        '[data]\ndir = "none"\n',
    ],
)
def test_dumps_completes_files_of_any_toml_style(text: str) -> None:
    config = loads(text)
    completed = dumps(config, text)
    assert loads(completed) == config
    assert set(tomllib.loads(completed)["training"]) == {
        key.partition(".")[2] for key in settings() if key.startswith("training.")
    }
    for comment in (part for part in text.split("#")[1:]):
        assert comment.split("\n")[0].strip() in completed


def test_a_syntax_error_names_its_line() -> None:
    error = error_of("[data]\ndataset = mnist\n")
    assert str(error).startswith("run.toml is not valid TOML: ")
    assert "line 2" in str(error)


def test_an_unknown_section_suggests_the_nearest_one() -> None:
    error = error_of("[optimiser]\nlr = 1\n")
    assert str(error) == "Unknown section 'optimiser' in run.toml. Did you mean optimizer?"
    assert "data, model, finetune, optimizer, schedule, training, evaluation" in str(error_of("[zzz]\n"))


@pytest.mark.parametrize("text", ["data = 1", "data = 'x'", "[[data]]\ndataset = 'mnist'", f"data = '{'x' * 10_000}'"])
def test_a_section_must_be_a_table(text: str) -> None:
    error = error_of(text)
    assert str(error).startswith("data = ")
    assert str(error).endswith("in run.toml must be a section, [data].")
    assert len(str(error)) < 200


def test_read_returns_configuration_and_text(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MINE, encoding="utf-8")
    assert read(path) == (loads(MINE), MINE)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (2**63, "A whole number in run.toml does not fit in 64 bits."),
        (-(2**63) - 1, "A whole number in run.toml does not fit in 64 bits."),
        (-(2**63), "training.seed = -9223372036854775808 is not allowed"),
    ],
)
def test_whole_numbers_have_64_bits(number: int, message: str) -> None:
    assert loads(f"[training]\nseed = {2**63 - 1}\n").training.seed == 2**63 - 1
    assert message in str(error_of(f"[training]\nseed = {number}\n"))
    # Also inside other values.
    assert ("64 bits" in message) == ("64 bits" in str(error_of(f"[training]\nseed = [[{{a = {number}}}]]\n")))


def test_files_of_up_to_1_mb_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("#" * MAX_CHARACTERS)
    assert len(read_text(path)) == 2**20
    path.write_text("#" * (MAX_CHARACTERS + 1))
    with pytest.raises(ConfigError, match="it is larger than 1 MB"):
        read_text(path)


def test_pipes_are_read_only_from_the_shell(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="it is not a regular file"):
        read_text(tmp_path / "pipe")
    reader, writer = os.pipe()
    os.write(writer, b"# piped")
    os.close(writer)
    assert read_text(Path(f"/dev/fd/{reader}")) == "# piped"
    os.close(reader)
    with pytest.raises(ConfigError, match="it is not a regular file"):
        read_text(Path("/dev/null"))


def test_unreadable_files_raise_config_error(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes("# Größe\n".encode("latin-1"))
    for path, words in (
        (tmp_path / "none.toml", "There is no file"),
        (tmp_path, "cannot be read: Is a directory"),
        (latin, "it is not UTF-8 text"),
        (tmp_path / "a\x1b[31mb.toml", "There is no file"),
    ):
        with pytest.raises(ConfigError, match=words) as raised:
            read(path)
        assert plain(raised.value) == str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        '["\\u001b[31mdata"]',
        '[data]\n"\\u001b[31m\\u202edir" = 1',
        '[data]\ndataset = "\\u001b]0;x\\u0007[red]"',
        '[model]\nhidden = ["\\u001b[31m"]',
        '[model]\nhidden = {"\\u001b[31m" = 1}',
        '[data]\ndir = "a\\u0000b"',
        'data = "\\u001b[31m"',
        "[data]\n\x1b[31m = 1",
        f"[training]\nseed = {'9' * 5000}",
        f"[optimizer]\nlr = {'9' * 400}",
        f"[data]\n{'k' * 100_000} = 1",
        f"[data]\ndir = {'[' * 450}{']' * 450}",
        f"[data]\ndir = {'[' * 5000}{']' * 5000}",
        f"data = {'[' * 450}{']' * 450}",
        f"[data{'.a' * 800}]",
        "[data]\ndir = 1979-05-27T07:32:00Z",
        "[optimizer]\nlr = nan",
        "[training]\ndevice = \"cuda\\n\"",
    ],
    ids=range(18),
)  # fmt: skip
def test_hostile_files_are_rejected_in_one_printable_line(text: str) -> None:
    error = error_of(text)
    assert plain(error, 1000) == str(error)


def test_randomly_damaged_files_are_loaded_or_rejected() -> None:
    draw = random.Random(0)
    good = [template(), dumps(OTHER), MINE]
    pieces = ["[", "]", "=", '"', "'", "\n", ".", ",", "#", "{", "}", "none", "1e999", "-", "\\u0000", "\x1b", "é"]
    accepted, messages = 0, []
    for _ in range(500):
        text = list(draw.choice(good))
        for _ in range(draw.choice([1, 1, 1, 2, 30])):
            at = draw.randrange(len(text))
            text[at : at + draw.randrange(3)] = [draw.choice(pieces)] * draw.randrange(3)
        damaged = "".join(text)
        try:
            config = loads(damaged)
        except ConfigError as error:
            messages.append(str(error))
        else:
            accepted += 1
            if accepted % 10 == 0:
                assert loads(dumps(config, damaged)) == config
    assert accepted > 60
    assert messages == [plain(message, 1000) for message in messages]


@pytest.mark.parametrize(
    "key", ["a." * 100_000 + "a = 1", "[" + "'a' . " * 60 + "a]", "x = {" + '"a".' * 60 + "a = 1}"]
)
def test_a_key_of_many_parts_takes_no_hours(key: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml contains a key of 50 parts"):
        loads(key, "run.toml")


def test_a_long_word_is_searched_fast() -> None:
    assert loads(f"# {'a' * 100_000}\n# {'0.5 ' * 20_000}", "run.toml") == Config()


def test_a_text_too_large_for_a_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"run\.toml is larger than 1 MB"):
        loads("#" * (2 * MAX_CHARACTERS + 1), "run.toml")
