"""Read the networks of a file without executing its content.

Files are safetensors, torch files (read with ``weights_only``), NVIDIA's pickles, or OpenVINO's graphs. The reader is
chosen by the file's content, whatever its name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from generators.checkpoints.reading.archive import check_archive
from generators.checkpoints.reading.file_kinds import AGAIN, SUFFIXES, foreign_kind, is_safetensors
from generators.checkpoints.reading.nvidia_pickle import read_networks
from generators.checkpoints.reading.openvino import is_graph, read_graph
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.torch_pickle import check_programs
from generators.errors import WeightsError
from generators.safetensors_files import read_safetensors
from generators.text import escape

LARGEST = 16 * 2**30
LARGEST_PICKLE = 4 * 2**30
LARGEST_JSON = 2**20
# Best first: averaged weights before those that training left last.
GENERATORS = ("network", "G_ema", "g_ema", "G", "g")
DISCRIMINATORS = ("network", "D", "d")
WRAPPINGS = ("state_dict", "model")
WRAPPERS = ("module.",)
# The first bytes of torch's archives, of torch's older files, and of any pickle.
ARCHIVE, OLD_TORCH, PICKLE = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80"
# Parts of torch's messages for a file that it refuses because something would have to be called.
WOULD_RUN = ("Unsupported global", "Unsupported class", "GLOBAL ", "REDUCE", "BUILD", "NEWOBJ")


@dataclass(frozen=True)
class Checkpoint:
    """The networks of a file.

    Attributes:
        path: of the file.
        parts: by the names that the file gives them ("G_ema", "D", ...), "network" for one without a name.
        sha256: of the file; of a network in several files, made of the sha256 of each.
    """

    path: Path
    parts: dict[str, Part]
    sha256: str

    def part(self, names: tuple[str, ...]) -> Part | None:
        """Return the first of ``names`` that exists, or None."""
        return next((self.parts[name] for name in names if name in self.parts), None)


def read_checkpoint(path: Path, sha256: str | None = None) -> Checkpoint:
    """Read a file of weights.

    Args:
        path: of the file.
        sha256: its expected digest.

    Raises:
        WeightsError: the file is missing, too large, damaged, of another kind, not the expected one, or would run code.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise WeightsError(f"{path}: the file is empty; get it again")
        if size > LARGEST:
            raise WeightsError(
                f"{path}: {size / 2**30:.1f} GiB, expected at most {LARGEST / 2**30:.0f}; this is not a generator"
            )
        with open(path, "rb") as file:
            start = file.read(512)
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None
    if sha256 and sha256.lower() != found:
        raise WeightsError(f"{path}: its sha256 is {found}, expected {sha256}; get the file again")
    parts = _parts(path, size, start)
    if is_graph(path, start):
        found = join_digests(found, hashlib.sha256(path.with_suffix(".bin").read_bytes()).hexdigest())
    return Checkpoint(path, parts, found)


def join_digests(*digests: str) -> str:
    """Return the sha256 of weights that lie in several files."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _parts(path: Path, size: int, start: bytes) -> dict[str, Part]:
    if is_safetensors(start, size):
        return _safetensors(path)
    if is_graph(path, start):
        graph = read_graph(path)
        return {"network": Part(graph.constants(), {"graph": graph})}
    kind = foreign_kind(path)
    if kind is not None:
        raise WeightsError(f"{path}: is {kind.words}; {kind.step}")
    if start.startswith(ARCHIVE):
        check_archive(path, size)
        check_programs(path, in_archive=True)
        return _torch(path, size)
    if start.startswith(OLD_TORCH):
        check_programs(path, in_archive=False)
        return _torch(path, size)
    if start.startswith(PICKLE):
        if size > LARGEST_PICKLE:
            raise WeightsError(
                f"{path}: {size / 2**30:.1f} GiB of pickle, expected at most {LARGEST_PICKLE / 2**30:.0f}"
            )
        return read_networks(path.read_bytes(), str(path))
    if path.suffix == ".safetensors":
        return _safetensors(path)  # raises, and says what is wrong with the file
    if path.suffix == ".bin" and path.with_suffix(".xml").is_file():
        raise WeightsError(f"{path}: holds the constants of an OpenVINO network; give {path.stem}.xml")
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: not a weights file that can be read; expected a file of {', '.join(SUFFIXES)}")
    raise WeightsError(f"{path}: damaged, or not PyTorch weights; get it again")


def _safetensors(path: Path) -> dict[str, Part]:
    try:
        tensors, metadata = read_safetensors(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); get it again") from None
    return {"network": Part(tensors, header(metadata))}


def _torch(path: Path, size: int) -> dict[str, Part]:
    try:
        # rosinality's own files hold the arguments of their training; a Namespace is only a set of attributes.
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([argparse.Namespace]),
            open(path, "rb") as file,  # given a path, torch would judge by its suffix
        ):
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and malicious files raise errors of many kinds
        if any(words in str(error) for words in WOULD_RUN):
            raise WeightsError(
                f"{path}: holds more than tensors, and was not opened further, since that could run "
                "code; save its state_dict alone, or convert it to safetensors"
            ) from None
        raise WeightsError(f"{path}: damaged, or not PyTorch weights; get it again") from None
    parts = {name: Part(tensors) for name, tensors in _networks(content, path).items()}
    for part in parts.values():
        for name, tensor in part.tensors.items():
            if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
                raise WeightsError(
                    f"{path}: {escape(name)} is sparse, quantised or without values; expected plain tensors; convert "
                    "the file"
                )
        # Expanded views of a few numbers could otherwise take any amount of memory.
        if sum(tensor.numel() * tensor.element_size() for tensor in part.tensors.values()) > size:
            raise WeightsError(f"{path}: its tensors are larger than the file; save a state_dict of contiguous tensors")
    return parts


def _networks(content: object, path: Path) -> dict[str, dict[str, Tensor]]:
    """Return the state dicts in a file's content.

    ``latent_avg``, the mean of w that rosinality's files hold beside them, is added to the generators.
    """
    for name in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict):
        return {"network": _named_tensors(content, path)}
    several = [name for name in {*GENERATORS, *DISCRIMINATORS} if isinstance(content.get(name), dict)]
    if not several:
        return {"network": _named_tensors(content, path)}
    found = {name: _named_tensors(content[name], path) for name in several}
    if isinstance(content.get("latent_avg"), Tensor):
        for name in found.keys() & set(GENERATORS):
            found[name]["latent_avg"] = content["latent_avg"]
    return found


def _named_tensors(content: object, path: Path) -> dict[str, Tensor]:
    """Return named tensors without the prefixes that wrapper modules add."""
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
    if not content:
        return "an empty dictionary"
    return f"a dictionary of {', '.join(escape(str(name), 40) for name in list(content)[:4])}, ..."


def header(metadata: dict[str, str]) -> dict:
    """Return the metadata of native files, the JSON under ``dgp`` in the safetensors header, or {}."""
    text = metadata.get("dgp", "{}")
    try:
        metadata = json.loads(text if len(text) <= LARGEST_JSON else "{}")
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def read_json(path: Path) -> dict:
    """Read a config.json. Raises WeightsError."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise WeightsError(f"{path}: larger than any configuration; get it again")
        metadata = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        kind = foreign_kind(path)
        if kind is not None and (kind.model or kind.step == AGAIN):
            raise WeightsError(f"{path}: is {kind.words}; {kind.step}") from None
        raise WeightsError(f"{path}: is not JSON; get it again") from None
    if not isinstance(metadata, dict):
        raise WeightsError(f"{path}: got a {type(metadata).__name__}, expected an object of settings")
    return metadata
