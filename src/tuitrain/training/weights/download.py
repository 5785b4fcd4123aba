"""Download pretrained weights into the caches of the Hugging Face hub and torch, or find them there."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import torch

from tuitrain.errors import ConfigError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress

# The names under which the hub's repositories keep weights, the preferred one first.
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_TIMEOUT = 30.0


def from_hub(network: str, repository: str, file: str | None, progress: Progress, download: bool = True) -> Path | None:
    """Return the path of the weights of `network` in the hub's cache, which `HF_HOME` moves. Download them if they are
    missing, unless `HF_HUB_OFFLINE` is set; without `download`, return None. Raises ConfigError."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    names = (file,) if file else _HUB_FILES
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
    return _download_from_hub(network, repository, names, progress) if download else None


def _download_from_hub(network: str, repository: str, names: Sequence[str], progress: Progress) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    reason = "they are not in the cache"
    for name in names:
        progress(f"downloading {network}", None)
        try:
            with _timeout():
                return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:
            reason = _reason(error.__cause__ or error)
            break
        except EntryNotFoundError:
            continue
        except Exception as error:  # The hub's client raises the exceptions of several libraries.
            reason = _reason(error)
            break
    raise _unavailable(network, names[0], f"https://huggingface.co/{repository}", reason)


def from_url(network: str, url: str, progress: Progress, download: bool = True) -> Path | None:
    """Return the path of the weights of `network` in torch's cache, which `TORCH_HOME` moves. Download them if
    necessary; without `download`, return None. Raises ConfigError."""
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    if not download:
        return None
    progress(f"downloading {network}", None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _timeout():
            # The names of torch's files end with a part of their hash.
            expected = torch.hub.HASH_REGEX.search(name)
            torch.hub.download_url_to_file(url, str(path), expected.group(1) if expected else None, progress=False)
    except (OSError, RuntimeError) as error:
        raise _unavailable(network, name, url, _reason(error), path.parent) from error
    return path


def _unavailable(network: str, file: str, source: str, reason: str, folder: Path | None = None) -> ConfigError:
    place = f"put it into {folder}" if folder else "set model.weights to its path"
    return ConfigError(
        f"The pretrained weights of {network} cannot be downloaded: {reason}.",
        f"Bring {file} from {source} to this machine and {place}.",
        key="model.weights",
    )


def _reason(error: BaseException) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return plain(first.removeprefix("<urlopen error ").removesuffix(">").rstrip("."), 160)


@contextmanager
def _timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
