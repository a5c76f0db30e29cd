"""The globals of NVIDIA's pickles (stylegan2-ada-pytorch, stylegan3), and the plain values built from them.

Networks become records. Tensors become views of storages, whose bytes are nested ``torch.save`` payloads of the old
format (magic number, protocol, machine, then a pickle with one persistent id), which the same unpickler reads. numpy's
numbers and arrays are built from their raw bytes, for plain numeric types only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from generators.checkpoints.reading.unpickler import AllowedGlobals, GlobalName, RefusedPickle, Unpickler

TORCH_MAGIC, TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
PERSISTENCE_VERSION = 6
MOST_DIMENSIONS = 8
STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


@dataclass
class Record:
    """A persistent object: its class name and state. The source code stored with it is dropped."""

    class_name: str
    state: dict


@dataclass
class Storage:
    """Bytes of a torch storage.

    Attributes:
        raw: the bytes in the file.
        dtype: of the values.
        values: a copy of the bytes, made once, when a tensor needs it.
    """

    raw: memoryview
    dtype: torch.dtype
    values: Tensor | None = None


@dataclass
class NumpyDtype:
    """A numpy dtype of plain numbers; ``letters`` as in "<f8"."""

    letters: str


@dataclass
class NumpyArray:
    """A numpy array; ``values`` is None until its state is set."""

    values: numpy.ndarray | None = None


def record(unpickler: Unpickler, arguments: tuple) -> Record:
    """Build the value of torch_utils.persistence._reconstruct_persistent_obj(meta)."""
    (meta,) = arguments
    if type(meta) is not dict or not _equals(meta.get("type"), "class"):
        raise RefusedPickle("holds a persistent object that is not a class; do not trust it")
    if not _equals(meta.get("version"), PERSISTENCE_VERSION):
        raise RefusedPickle(
            f"is of another version of NVIDIA's persistence, expected {PERSISTENCE_VERSION}; save it again"
        )
    if not isinstance(meta.get("class_name"), str) or type(meta.get("state")) is not dict:
        raise RefusedPickle("holds a persistent object without name or state; do not trust it")
    return Record(meta["class_name"], meta["state"])


def storage(unpickler: Unpickler, arguments: tuple) -> Storage:
    """Build the value of torch.storage._load_from_bytes(payload)."""
    (payload,) = arguments
    if not isinstance(payload, memoryview):
        raise TypeError
    nested = Unpickler(payload, STORAGE_GLOBALS, unpickler.budget, unknown=unpickler.unknown)
    if not _equals(nested.run(), TORCH_MAGIC) or not _equals(nested.run(), TORCH_PROTOCOL):
        raise RefusedPickle("holds a storage that torch did not write; do not trust it")
    machine = nested.run()
    if type(machine) is not dict or machine.get("little_endian") is not True:
        raise RefusedPickle("was written on a machine of another byte order; save it on a little-endian one")
    found, keys = nested.run(), nested.run()
    if not isinstance(found, _PendingStorage) or not _equals(keys, [found.key]) or nested.number("<q") != found.count:
        raise RefusedPickle("holds a storage that torch did not write; do not trust it")
    return Storage(nested.take(found.count * found.dtype.itemsize), found.dtype)


@dataclass
class _PendingStorage:
    """A storage whose bytes follow the pickle."""

    key: str
    dtype: torch.dtype
    count: int


def pending_storage(unpickler: Unpickler, identity: object) -> _PendingStorage:
    word, kind, key, _place, count, view = identity
    if not _equals(word, "storage") or not isinstance(kind, GlobalName) or type(key) is not str or view is not None:
        raise RefusedPickle("holds a storage that torch did not write; do not trust it")
    return _PendingStorage(key, STORAGES[kind.text], _count(count))


def tensor(unpickler: Unpickler, arguments: tuple) -> Tensor:
    """Build the value of torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks).

    It is a view that stays within its storage and has no more elements than the storage.
    """
    source, offset, size, stride = arguments[:4]
    if type(source) is not Storage:
        raise TypeError
    shape, steps, offset = _shape(size), _shape(stride), _count(offset)
    numbers, room = math.prod(shape), len(source.raw) // source.dtype.itemsize
    end = offset + (1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if numbers else 0)
    if end > room or numbers > room:
        raise RefusedPickle("holds a tensor that is larger than its storage; do not trust it")
    if source.values is None:
        unpickler.budget.copy(len(source.raw))
        source.values = torch.from_numpy(numpy.frombuffer(source.raw, numpy.uint8).copy()).view(source.dtype)
    return source.values.as_strided(shape, steps, offset)


def parameter(unpickler: Unpickler, arguments: tuple) -> Tensor:
    """Build the value of torch._utils._rebuild_parameter(data, requires_grad, hooks)."""
    data, _requires_grad, _hooks = arguments
    if not isinstance(data, Tensor):
        raise TypeError
    return data


def plain_dict(unpickler: Unpickler, arguments: tuple) -> dict:
    """Build the value of collections.OrderedDict() or dnnlib.util.EasyDict(); entries follow."""
    if arguments:
        raise TypeError
    return {}


def plain_set(unpickler: Unpickler, arguments: tuple) -> set:
    """Build the value of builtins.set(list)."""
    (items,) = arguments
    if type(items) is not list:
        raise TypeError
    result: set = set()
    unpickler.extend(result, items)
    return result


def numpy_dtype(unpickler: Unpickler, arguments: tuple) -> NumpyDtype:
    """Build the value of numpy.dtype(letters, align, copy)."""
    letters = arguments[0]
    if not isinstance(letters, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", letters):
        raise RefusedPickle("holds numpy values other than plain numbers, which could be anything; do not trust it")
    return NumpyDtype("<" + letters)


def set_numpy_dtype(unpickler: Unpickler, kind: NumpyDtype, state: object) -> None:
    """Set the state (version, byte order, subarray, names, fields, size, alignment, flags)."""
    _version, order, *compound = state
    if type(order) is not str or order not in "<>|=" or any(part is not None for part in compound[:3]):
        raise RefusedPickle("holds numpy values other than plain numbers, which could be anything; do not trust it")
    kind.letters = (">" if order == ">" else "<") + kind.letters[1:]


def numpy_scalar(unpickler: Unpickler, arguments: tuple) -> bool | int | float:
    """Build the value of numpy.core.multiarray.scalar(dtype, raw)."""
    kind, raw = arguments
    if type(kind) is not NumpyDtype or not isinstance(raw, memoryview):
        raise RefusedPickle("holds a numpy value other than a plain number; do not trust it")
    (value,) = numpy.frombuffer(raw, kind.letters)
    return value.item()


def numpy_array(unpickler: Unpickler, arguments: tuple) -> NumpyArray:
    """Build the value of numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b"); the state follows."""
    if not _equals(arguments[0], GlobalName("numpy.ndarray")):
        raise RefusedPickle("holds an array that numpy did not write; do not trust it")
    return NumpyArray()


def set_numpy_array(unpickler: Unpickler, array: NumpyArray, state: object) -> None:
    """Set the state (version, shape, dtype, Fortran order, raw)."""
    _version, shape, kind, fortran, raw = state
    array.values = _numpy_values(unpickler, raw, kind, shape, order="F" if fortran else "C")


def numpy_buffer(unpickler: Unpickler, arguments: tuple) -> NumpyArray:
    """Build the value of numpy.core.numeric._frombuffer(raw, dtype, shape, order), which protocol 5 uses."""
    raw, kind, shape, order = arguments
    return NumpyArray(_numpy_values(unpickler, raw, kind, shape, order="F" if _equals(order, "F") else "C"))


def _numpy_values(unpickler: Unpickler, raw: object, kind: object, shape: object, order: str) -> numpy.ndarray:
    if type(kind) is not NumpyDtype or not isinstance(raw, memoryview):
        raise RefusedPickle("holds a numpy array of other than plain numbers; do not trust it")
    shape = _shape(shape)
    if math.prod(shape) * int(kind.letters[2:]) != len(raw):
        raise RefusedPickle("holds a numpy array that is larger than its bytes; do not trust it")
    unpickler.budget.copy(len(raw))
    return numpy.frombuffer(raw, kind.letters).reshape(shape, order=order).copy()


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise RefusedPickle("has a size that is negative, too large or not an integer; do not trust it")
    return value


def _shape(value: object) -> tuple[int, ...]:
    if type(value) is not tuple or len(value) > MOST_DIMENSIONS:
        raise RefusedPickle(f"has a shape that is not a tuple of at most {MOST_DIMENSIONS} sizes; do not trust it")
    return tuple(map(_count, value))


def _equals(value: object, expected: object) -> bool:
    """Return whether the values are equal and of one type.

    The types are compared first, since values of a file may be tensors, whose comparison has no single truth value.
    """
    return type(value) is type(expected) and value == expected


NUMPY = ("numpy.core", "numpy._core")
CALLS = {
    "torch_utils.persistence._reconstruct_persistent_obj": record,
    "torch.storage._load_from_bytes": storage,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_parameter": parameter,
    "dnnlib.util.EasyDict": plain_dict,
    "collections.OrderedDict": plain_dict,
    "builtins.set": plain_set,
    "__builtin__.set": plain_set,
    "numpy.dtype": numpy_dtype,
    **{f"{core}.multiarray.scalar": numpy_scalar for core in NUMPY},
    **{f"{core}.multiarray._reconstruct": numpy_array for core in NUMPY},
    **{f"{core}.numeric._frombuffer": numpy_buffer for core in NUMPY},
}
NETWORK_GLOBALS = AllowedGlobals(
    names=frozenset(CALLS) | {"numpy.ndarray"},
    calls=CALLS,
    states={NumpyDtype: set_numpy_dtype, NumpyArray: set_numpy_array},
)
STORAGE_GLOBALS = AllowedGlobals(names=frozenset(STORAGES), calls={}, states={}, persistent=pending_storage)
