"""One network of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Part:
    """tensors: by name, of this network alone.  said: what the file states of it (the JSON header of our files, what a
    pickled network was made with, a config.json), {} where it is silent.  class_name: as the file names the network's
    class, "" where it does not."""

    tensors: dict[str, Tensor]
    metadata: dict = field(default_factory=dict)
    class_name: str = ""
