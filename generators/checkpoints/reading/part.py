"""One network of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Part:
    """The tensors and metadata of one network of a file.

    Attributes:
        tensors: by name.
        metadata: what the file states about the network (the JSON header of native files, the arguments of a pickled
            network, a config.json), or {}.
        class_name: the network's class as the file names it, or "".
    """

    tensors: dict[str, Tensor]
    metadata: dict = field(default_factory=dict)
    class_name: str = ""
