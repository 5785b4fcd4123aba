"""Collect what a configuration needs besides packages: its settings, code, data set and weights."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from tuitrain.config.code import code_of, file_of, is_spec, sources_of
from tuitrain.config.data.datasets import DATASETS, found_in
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.config.values import flatten
from tuitrain.errors import DataError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.pack.bundle import Item
from tuitrain.runs.checkpoint_facts import run_of
from tuitrain.runs.user_files import name_copies
from tuitrain.text import plain

# torchvision keeps what it downloaded beside what it unpacked.
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2")
_WEIGHTS = "cache/torch/hub/checkpoints"


@dataclass
class Contents:
    """What goes into a bundle besides packages. `config` finds it there; `packed` names the parts with their sizes in
    bytes, and `notes` are sentences about what is missing."""

    config: Config
    items: list[Item] = field(default_factory=list)
    packed: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, items: list[Item]) -> None:
        self.items += items
        self.packed.append((what, sum(item.size for item in items)))


def collect(config: Config, original: str, progress: ProgressCallback) -> Contents:
    """Collect the files of `config`, which has absolute paths; download a data set and weights that are missing.

    `original` is the text of the user's TOML file. Raise TuitrainError if something cannot be read or downloaded.
    """
    contents = Contents(config)
    _add_code(contents)
    _add_weights(contents, progress)
    _add_data(contents, progress)
    text = dumps(contents.config, original)
    contents.add("the settings, run.toml", [Item.of_bytes("run.toml", text.encode())])
    return contents


def _add_code(contents: Contents) -> None:
    config = contents.config
    values = flatten(config)
    sources = sources_of(values)
    for code in code_of(values):
        if code.file and code.file not in sources:
            code.digest()  # Raises the reason.
    copies = name_copies(config, sources)
    for file, copy in copies.items():
        contents.add(f"your code, {plain(copy.copy)}", [Item.of_bytes(f"code/{copy.copy}", sources[file])])
        contents.notes.append(f"Modules that {plain(copy.copy)} imports from its folder: copy them to code/.")

    def moved(spec: str) -> str:
        return f"code/{copies[file].copy}:{spec.rpartition(':')[2]}" if (file := file_of(spec)) in copies else spec

    transform = config.data.transform and moved(config.data.transform)
    contents.config = replace(
        config,
        data=replace(config.data, dataset=moved(config.data.dataset), transform=transform),
        model=replace(config.model, name=moved(config.model.name)),
    )


def _add_weights(contents: Contents, progress: ProgressCallback) -> None:
    model = contents.config.model
    if not model.weights:
        return
    progress("finding the weights", None)
    from tuitrain.training.weights.find import find_weights

    found = find_weights(model, progress)
    assert found is not None
    if model.weights != "pretrained":
        _add_own_weights(contents, found.path)
        return
    repository = next((folder for folder in found.path.parents if folder.name.startswith("models--")), None)
    items = [Item.of_file(f"{_WEIGHTS}/{found.path.name}", found.path)]
    if repository:
        items = list(_hub_items(repository, found.path))
    contents.add(f"pretrained weights of {plain(model.name)}", items)


def _hub_items(repository: Path, path: Path) -> Iterator[Item]:
    """Yield the file of weights in the cache of the Hugging Face hub as the hub finds it: a revision's name, and a link
    to the content."""
    root = f"cache/huggingface/hub/{repository.name}"
    for reference in sorted(file for file in (repository / "refs").rglob("*") if file.is_file()):
        yield Item.of_file(f"{root}/{reference.relative_to(repository)}", reference)
    name = f"{root}/{path.relative_to(repository)}"
    content = path.resolve()
    if path.is_symlink() and content.is_relative_to(repository.resolve()):
        yield Item.of_file(f"{root}/{content.relative_to(repository.resolve())}", content)
        yield Item(name, link=os.path.relpath(content, path.parent.resolve()))
    else:
        yield Item.of_file(name, path)


def _add_own_weights(contents: Contents, path: Path) -> None:
    """Add a file of weights, and for the checkpoint of a run also its run.json, which describes its images."""
    items = [Item.of_file(name := f"weights/{path.name}", path)]
    if run_of(path):
        run = path.resolve().parent.parent
        name = f"weights/{run.name}/checkpoints/{path.name}"
        items = [Item.of_file(name, path), Item.of_file(f"weights/{run.name}/run.json", run / "run.json")]
    contents.add(f"your weights, {plain(name)}", items)
    contents.config = replace(contents.config, model=replace(contents.config.model, weights=name))


def _add_data(contents: Contents, progress: ProgressCallback) -> None:
    data = contents.config.data
    if data.dataset == "image-folder":
        files = [path for path in (data.dir, data.labels, data.exclude) if path]
        contents.notes.append(f"Your images. Copy them to the same path: {copy_command(files)}")
        return
    if is_spec(data.dataset):
        contents.notes.append("The images that your data set reads: copy them to the paths that its code opens.")
        return
    if data.dataset == "digits":
        contents.packed.append(("digits, built in", 0))
        return
    items = _photos(contents, progress) if data.dataset in PHOTO_DATASETS else _arrays(contents, progress)
    contents.add(f"data set {data.dataset}", items)
    contents.config = replace(contents.config, data=replace(data, dir=None))


def copy_command(files: list[str]) -> str:
    """Return the commands that copy files to the same paths on a server."""
    paths = [f"{path}/" if Path(path).is_dir() else path for path in map(os.path.expanduser, files)]
    return "; ".join(f"rsync -a {shlex.quote(plain(path))} SERVER:{shlex.quote(plain(path))}" for path in paths)


def _arrays(contents: Contents, progress: ProgressCallback) -> list[Item]:
    """Return the files of a data set of images of one size. Read them first, because the server cannot replace damaged
    ones."""
    name, folder = contents.config.data.dataset, contents.config.data.dir
    progress("loading torch", None)
    from tuitrain.training.data.standard import files_of, read

    read(name, folder, progress)
    root = found_in(folder, DATASETS[name].place)
    if root is None:
        raise DataError(f"{name} was read but is not in {plain(folder)}.")
    return [Item.of_file(f"cache/tuitrain/data/{file}", root / file) for file in files_of(name)]


def _photos(contents: Contents, progress: ProgressCallback) -> list[Item]:
    name, folder = contents.config.data.dataset, contents.config.data.dir
    facts = PHOTO_DATASETS[name]
    if found_in(folder, facts.folder) is None:
        progress("loading torch", None)
        from tuitrain.training.data.download import download_folder

        download_folder(name, folder, progress)
    root = found_in(folder, facts.folder)
    if root is None:
        raise DataError(f"{name} was downloaded but is not in {plain(folder)}.")
    progress(f"listing {name}", None)
    top = root / facts.folder
    return [
        Item.of_file(f"cache/tuitrain/data/{file.relative_to(root)}", file)
        for file in sorted(top.rglob("*"))
        if file.is_file() and not (file.parent == top and file.suffix in _ARCHIVES)
    ]
