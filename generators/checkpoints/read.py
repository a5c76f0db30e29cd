"""Tensors from a file. Nothing that a file contains is ever executed: safetensors, or torch's ``weights_only``
reader."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from generators.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt")
LARGEST = 16 * 2**30
CONTAINERS = ("state_dict", "model", "G_ema", "g_ema")
WRAPPERS = ("module.",)
# How the reader words its refusal of what would have to be called.
WOULD_RUN = ("Unsupported global", "Unsupported class", "GLOBAL ", "REDUCE", "BUILD", "NEWOBJ")


@dataclass(frozen=True)
class Checkpoint:
    """tensors by name; metadata: the header of a safetensors file; sha256 of the file."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def read_checkpoint(path: Path, sha256: str | None = None) -> Checkpoint:
    """Raises WeightsError, in one line, for what is missing, too large, damaged, not the file that ``sha256`` names, or
    would run code."""
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: got a {path.suffix or 'nameless'} file, expected one of {', '.join(SUFFIXES)}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise WeightsError(f"{path}: the file is empty; get it again")
        if size > LARGEST:
            raise WeightsError(
                f"{path}: {size / 2**30:.1f} GiB, expected at most {LARGEST / 2**30:.0f}; this is no generator"
            )
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None
    if sha256 and sha256.lower() != found:
        raise WeightsError(f"{path}: its sha256 is {found}, expected {sha256}; get the file again")
    tensors, metadata = _safetensors(path) if path.suffix == ".safetensors" else (_torch(path, size), {})
    return Checkpoint(path, tensors, metadata, found)


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except Exception as error:  # its own error, and others for kinds of numbers that torch lacks
        first = str(error).strip().partition("\n")[0][:120]
        raise WeightsError(f"{path}: not a whole safetensors file ({first}); get it again") from None


def _torch(path: Path, size: int) -> dict[str, Tensor]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > size:
                    raise WeightsError(
                        f"{path}: unpacks to more than the file holds, which PyTorch never writes; do not trust it"
                    )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # the reader raises many kinds on damaged or hostile files
        if any(words in str(error) for words in WOULD_RUN) or _is_bare_pickle(path):
            raise WeightsError(
                f"{path}: holds more than tensors, and was not opened further, since that could run "
                "code; save its state_dict alone, or convert it to safetensors"
            ) from None
        raise WeightsError(f"{path}: damaged, or no PyTorch weights; get it again") from None
    tensors = _unwrap(content, path)
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise WeightsError(f"{path}: {name} is sparse or quantised; expected plain tensors; convert the file")
    # Views that repeat a few numbers many times would otherwise ask for any amount of memory.
    if sum(tensor.nbytes for tensor in tensors.values()) > size:
        raise WeightsError(f"{path}: its tensors are larger than the file; save a state_dict of contiguous tensors")
    return tensors


def _is_bare_pickle(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(1) == b"\x80"


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    """The state dict inside the usual containers, without the prefixes that wrappers leave."""
    for name in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(name, str) and isinstance(v, Tensor) for name, v in content.items())
    ):
        raise WeightsError(f"{path}: got {_kind(content)}, expected a dictionary of named tensors")
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in content):
            content = {name[len(prefix) :]: v for name, v in content.items()}
    return dict(content)


def _kind(content: object) -> str:
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    return f"a dictionary of {', '.join(map(str, list(content)[:4]))}, ..." if content else "an empty dictionary"


def header(metadata: dict[str, str]) -> dict:
    """What our own files say of themselves: the JSON under ``dgp`` in the safetensors header, or nothing."""
    try:
        said = json.loads(metadata.get("dgp", "{}"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
