"""One checkpoint, and its file: safetensors, with the rest of the state as JSON, and a checksum in the header."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgp.checkpoint.tree import Tree, bytes_of, flatten, unflatten
from dgp.errors import CheckpointError
from dgp.files import parse_json, replace_atomic
from generators.safetensors_files import read_header, read_safetensors
from generators.text import pluralise, shorten

FORMAT = "dgp checkpoint 1"
CONTENT = "content"  # the tensor with the rest of the state, as JSON; names of others begin with "/"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of an inversion between two steps.

    Attributes:
        identity: names the run, as JSON values; a checkpoint is resumed only by the same run.
        state: everything that the next step depends on.
    """

    identity: dict[str, Any]
    state: Tree

    def save(self, path: str | os.PathLike) -> None:
        """Write the checkpoint; a reader finds the old file or the complete new one.

        Raises:
            OutputError: the file cannot be written.
        """
        with replace_atomic(path) as draft:
            self.write(draft)

    def write(self, path: str | os.PathLike) -> None:
        """Write the checkpoint into a file that nobody reads yet.

        Raises:
            OSError: the file cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        tensors, content = flatten(self.state)
        # In a tensor, as the length of headers is limited.
        tensors[CONTENT] = torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8)
        identity = json.dumps(self.identity)
        header = {"format": FORMAT, "identity": identity, "sha256": _digest(identity, tensors)}
        try:
            save_file(tensors, path, header)
        except SafetensorError as error:  # how it reports that a disk is full
            raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: str | os.PathLike, device: str | torch.device = "cpu") -> Checkpoint:
        """Read a checkpoint.

        Args:
            path: the file.
            device: where tensors go that were not on the CPU.

        Raises:
            CheckpointError: the file is damaged, or is no checkpoint.
            FileNotFoundError: there is none.
        """
        with _telling_damage(path):
            tensors, header = read_safetensors(path)
            identity = _read_identity(header)
            if header.get("sha256") != _digest(header["identity"], tensors):
                raise ValueError("its checksum is wrong")
            content = json.loads(bytes_of(tensors.pop(CONTENT)).tobytes())
            return cls(identity, unflatten(tensors, content, device))

    def __repr__(self) -> str:
        tensors, _ = flatten(self.state)
        size = sum(tensor.nbytes for tensor in tensors.values())
        return shorten(f"Checkpoint: {pluralise(len(tensors), 'tensor')}, {size / 1e6:.1f} MB")


def read_identity(path: str | os.PathLike) -> dict[str, Any]:
    """Return the identity of the run of a checkpoint, without reading its tensors; raises as ``Checkpoint.load``."""
    with _telling_damage(path):
        return _read_identity(read_header(path))


def _read_identity(header: dict[str, str]) -> dict[str, Any]:
    """Return the identity in a header. Raises ValueError."""
    if header.get("format") != FORMAT:
        raise ValueError(f"it is no {FORMAT}")
    identity = parse_json(header.get("identity", ""))
    if not isinstance(identity, dict) or not isinstance(identity.get("pictures"), list):
        raise ValueError("its header names no run")
    return identity


@contextlib.contextmanager
def _telling_damage(path: str | os.PathLike) -> Iterator[None]:
    """Raise CheckpointError where the block finds that the file is no whole checkpoint."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path} cannot be resumed: {reason}; delete it, or begin anew (--fresh)") from error


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """Return the sha256 of a text and tensors, in the order of their names."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(bytes_of(tensors[name]))
    return digest.hexdigest()
