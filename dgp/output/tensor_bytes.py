"""Safetensors whose bytes depend on their content alone."""

from __future__ import annotations

import json
from collections.abc import Mapping

from torch import Tensor

LENGTH = 8  # bytes at the beginning that state the length of the header
ALIGNMENT = 8  # of the header, as the format asks


def encode_tensors(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """Return tensors and texts in the format safetensors; equal content gives equal bytes.

    The library writes the texts in an order that differs from call to call; here they are sorted.

    Args:
        tensors: by name, of any dtype and device.
        about: texts for the header.
    """
    from safetensors.torch import save

    data = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, dict(about))
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    header = json.loads(data[LENGTH:end])
    header["__metadata__"] = dict(sorted(about.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH, "little") + text + data[end:]
