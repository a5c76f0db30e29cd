"""The networks of an NVIDIA pickle {"G": ..., "D": ..., "G_ema": ..., ...}: tensors by name, and constructor arguments.

Names are those of ``state_dict``.
"""

from __future__ import annotations

from torch import Tensor

from generators.checkpoints.reading.nvidia_objects import NETWORK_GLOBALS, NumpyArray, Record
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.unpickler import read_pickle
from generators.errors import WeightsError
from generators.text import escape

# Entry -> its class. Other entries (augment_pipe, training_set_kwargs) are not read.
CLASSES = {"G_ema": "Generator", "G": "Generator", "D": "Discriminator"}
# The order of positional arguments.
POSITIONS = {
    "Generator": ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"),
    "Discriminator": ("c_dim", "img_resolution", "img_channels"),
}
MOST_TENSORS, DEEPEST, LONGEST_NAME = 20_000, 32, 200


def read_networks(data: bytes, source: str) -> dict[str, Part]:
    """Read the networks of a pickle without executing it.

    Args:
        data: the whole file.
        source: its name, for messages.

    Returns:
        Entry -> network.

    Raises:
        WeightsError: it is not such a file, or damaged.
    """
    content = read_pickle(data, NETWORK_GLOBALS, source)
    if isinstance(content, Record):
        raise WeightsError(
            f"{source}: got a {escape(content.class_name)} alone, expected a dictionary with G_ema (or G)"
        )
    if type(content) is not dict:
        raise WeightsError(f"{source}: got a {type(content).__name__}, expected a dictionary with G_ema (or G)")
    found = {entry: content[entry] for entry in CLASSES if content.get(entry) is not None}
    if not found:
        listed = ", ".join(escape(str(key), 40) for key in list(content)[:4]) or "nothing"
        raise WeightsError(f"{source}: got a dictionary of {listed}, expected one with G_ema (or G)")
    return {entry: _part(entry, value, len(data), source) for entry, value in found.items()}


def _part(entry: str, value: object, size: int, source: str) -> Part:
    expected = CLASSES[entry]
    if not isinstance(value, Record):
        raise WeightsError(f"{source}: its {entry} is a {type(value).__name__}, expected a pickled {expected}")
    if value.class_name != expected:
        known = " (StyleGAN-XL, which cannot be read yet)" if value.class_name == "SuperresGenerator" else ""
        raise WeightsError(
            f"{source}: its {entry} is a {escape(value.class_name)}{known}, expected a {expected} of "
            "stylegan2-ada-pytorch or stylegan3"
        )
    tensors = _Walk(size, source).tensors_of(value)
    return Part(tensors, _arguments(value, source), value.class_name)


class _Walk:
    """Collects tensors from nested records.

    Steps are counted, since records that contain each other make endless trees, and a tensor may appear under any
    number of names.
    """

    def __init__(self, size: int, source: str):
        self.size, self.source, self.steps = size, source, 0

    def tensors_of(self, record: Record) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        self._visit(record, "", 0, found)
        if not found:
            raise WeightsError(f"{self.source}: its {escape(record.class_name)} holds no tensors; get it again")
        if sum(tensor.numel() * tensor.element_size() for tensor in found.values()) > self.size:
            raise WeightsError(f"{self.source}: its tensors are larger than the file; do not trust it")
        return found

    def _visit(self, record: object, prefix: str, depth: int, found: dict[str, Tensor]) -> None:
        if not isinstance(record, Record):
            raise WeightsError(f"{self.source}: {escape(prefix) or 'it'} is not a network; get it again")
        if depth > DEEPEST:
            raise WeightsError(f"{self.source}: its modules nest more than {DEEPEST} deep; do not trust it")
        hidden = record.state.get("_non_persistent_buffers_set") or ()
        for kind in ("_parameters", "_buffers", "_modules"):
            for name, value in self._entries(record, kind):
                self._step(prefix + name)
                if value is None or (kind == "_buffers" and name in hidden):
                    continue
                if kind == "_modules":
                    self._visit(value, f"{prefix}{name}.", depth + 1, found)
                elif isinstance(value, Tensor):
                    found[prefix + name] = value
                else:
                    raise WeightsError(f"{self.source}: {escape(prefix + name)} is not a tensor; get it again")

    def _entries(self, record: Record, kind: str) -> list[tuple[str, object]]:
        entries = record.state.get(kind, {})
        if type(entries) is not dict or not all(isinstance(name, str) for name in entries):
            raise WeightsError(f"{self.source}: its {escape(record.class_name)} has damaged {kind}; get it again")
        return list(entries.items())

    def _step(self, name: str) -> None:
        self.steps += 1
        if self.steps > MOST_TENSORS or len(name) > LONGEST_NAME:
            raise WeightsError(f"{self.source}: has more tensors, or longer names, than any network; do not trust it")


def _arguments(record: Record, source: str) -> dict:
    """Return the constructor arguments of a network, as plain data."""
    unnamed, named = record.state.get("_init_args", ()), record.state.get("_init_kwargs", {})
    positions = POSITIONS[record.class_name]
    if type(unnamed) not in (tuple, list) or type(named) is not dict or len(unnamed) > len(positions):
        raise WeightsError(f"{source}: the arguments of its {record.class_name} are damaged; get it again")
    budget = [MOST_TENSORS]
    return _plain(dict(zip(positions, unnamed, strict=False)) | named, budget, 0, source)


def _plain(value: object, budget: list[int], depth: int, source: str) -> object:
    budget[0] -= 1
    if budget[0] < 0 or depth > DEEPEST:
        raise WeightsError(f"{source}: the arguments of its networks nest too deep; do not trust it")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, NumpyArray) and value.values is not None and value.values.size <= 4096:
        return value.values.tolist()
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _plain(item, budget, depth + 1, source) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_plain(item, budget, depth + 1, source) for item in value]
    raise WeightsError(
        f"{source}: a network was made with a {type(value).__name__}, expected numbers, texts and lists of them"
    )
