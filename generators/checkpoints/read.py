"""Tensors from a file. Nothing that a file contains is ever executed: safetensors, or torch's ``weights_only`` reader."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from generators.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt")
LARGEST = 16 * 2**30
CONTAINERS = ("state_dict", "model", "G_ema", "g_ema")
WRAPPERS = ("module.",)


@dataclass(frozen=True)
class Checkpoint:
    """tensors by name; metadata: the header of a safetensors file; sha256 of the file."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises WeightsError, in one line, for what is missing, too large, damaged, or would run code."""
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: got a {path.suffix or 'nameless'} file, expected one of {', '.join(SUFFIXES)}")
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path}: the file is empty; get it again")
    if size > LARGEST:
        raise WeightsError(f"{path}: {size / 2**30:.1f} GiB, expected at most {LARGEST / 2**30:.0f}; this is no generator")
    if path.suffix == ".safetensors":
        tensors, metadata = _safetensors(path)
    else:
        tensors, metadata = _torch(path), {}
    with open(path, "rb") as file:
        return Checkpoint(path, tensors, metadata, hashlib.file_digest(file, "sha256").hexdigest())


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); get it again") from None


def _torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader raises many kinds on damaged or hostile files
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "weights" in first.lower() or "unsupported" in first.lower():
            raise WeightsError(f"{path}: holds more than tensors, and was not opened further, since that could run code; "
                               "save its state_dict alone, or convert it to safetensors") from None
        raise WeightsError(f"{path}: cannot be read as PyTorch weights ({first[:120]}); get it again") from None
    return _unwrap(content, path)


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    """The state dict inside the usual containers, without the prefixes that wrappers leave."""
    for name in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(f"{path}: got {type(content).__name__}, expected a dictionary of named tensors")
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in content):
            content = {name[len(prefix):]: v for name, v in content.items()}
    return dict(content)


def header(metadata: dict[str, str]) -> dict:
    """What our own files say of themselves: the JSON under ``dgp`` in the safetensors header, or nothing."""
    try:
        said = json.loads(metadata.get("dgp", "{}"))
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
