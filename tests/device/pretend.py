"""A device that is not there: tensors that say they are on it, are computed on the CPU, and are watched.

What would fail on CUDA is recorded with the line that did it: tensors of two devices in one operator, random numbers
drawn on the device, NumPy on what is not on the CPU. So is what would make the host wait for the device: values that
are read back, and operators whose result has a size that only the values tell.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(str(ROOT / name) + "/" for name in ("dgp", "degradations", "generators"))
NAME = "pretend"
DEVICE = torch.device("privateuseone", 0)
aten = torch.ops.aten
SIZES_BY_VALUES = {aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive}
READS = {aten._local_scalar_dense, aten.equal, aten.is_nonzero, aten.item}
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
DRAWS = {aten.randn, aten.rand, aten.randint, aten.normal, aten.normal_, aten.uniform_, aten.bernoulli, aten.bernoulli_,
         aten.multinomial, aten.poisson, aten.randperm, aten.rand_like, aten.randn_like, aten.random_}  # fmt: skip
MAKES = {aten.zeros, aten.ones, aten.empty, aten.full, aten.arange, aten.linspace, aten.eye, aten.scalar_tensor,
         aten.empty_strided, aten.lift_fresh, aten.lift}  # fmt: skip

LAZY = {aten._conj: aten.conj_physical, aten._neg_view: aten.neg}  # a bit that a wrapper does not carry


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


@contextmanager
def registered():
    """The device's name is known, and gradients are computed on this thread."""
    global DEVICE
    if DEVICE.type != NAME:
        _setup_privateuseone_for_python_backend(NAME, _Backend())
        DEVICE = torch.device(NAME, 0)
        # ``torch.tensor(..., device=...)`` and ``new_tensor`` go below what a mode sees.
        LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
        LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")
    with torch.autograd.set_multithreading_enabled(False):
        yield


LIBRARY = torch.library.Library("aten", "IMPL")


def _empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    return Away(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source, target, non_blocking=False):
    target.here.copy_(source.here if isinstance(source, Away) else source)
    if Watch.watching is not None and not isinstance(source, Away):
        Watch.watching.uploads["a tensor of numbers", where()] += Watch.watching.counting
    return target


class Away(torch.Tensor):
    """A tensor on the device. here: its values, on the CPU."""

    @staticmethod
    def __new__(cls, here: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
            requires_grad=False,
        )

    def __init__(self, here: torch.Tensor):
        self.here = here

    def __repr__(self):
        return f"Away({self.here!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func}: a tensor of the pretended device outside of Watch")

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self, *_, **__):
        raise TypeError("can't convert a tensor of the pretended device to numpy; use .cpu() first")


class Watch(TorchDispatchMode):
    """Runs what is on the device. mixed, waits, uploads, drawn: how often each (operator, file:line) did so."""

    watching: Watch | None = None

    def __init__(self):
        super().__init__()
        Watch.watching = self
        self.mixed, self.waits, self.uploads, self.drawn = Counter(), Counter(), Counter(), Counter()
        self.counting = True

    @contextmanager
    def uncounted(self):
        """Waits and uploads in here are what they must be."""
        before, self.counting = self.counting, False
        try:
            yield
        finally:
            self.counting = before

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        flat, _ = tree_flatten((args, kwargs))
        tensors = [one for one in flat if isinstance(one, torch.Tensor)]
        away = [one for one in tensors if isinstance(one, Away)]
        to = kwargs.get("device")
        to = None if to is None else torch.device(to)
        bound = to is not None and to.type == DEVICE.type
        if not away and not bound:
            return func(*args, **kwargs)
        packet = func.overloadpacket
        moves = packet in (aten._to_copy, aten.copy_, aten.copy)
        leaves = bool(away) and (to is not None and not bound or packet is aten.copy_ and not isinstance(args[0], Away))
        if moves:
            self._moved(func, away, leaves, len(away) < len(tensors) and not kwargs.get("non_blocking"))
        else:
            self._checked(func, args, kwargs, tensors, away)
        if packet in DRAWS:
            self.drawn[self._entry(func)] += 1
        inner = lambda one: one.here if isinstance(one, Away) else one  # noqa: E731
        here = tree_map(inner, (args, kwargs))
        if bound:
            here[1]["device"] = "cpu"
            if here[1].get("generator") is not None:
                self.mixed[self._entry(func, "a generator of the CPU")] += 1
        if packet in LAZY:
            return Away(LAZY[packet](here[0][0]))
        out = func(*here[0], **here[1])
        if leaves:
            return args[0] if packet is aten.copy_ else _fresh(out, here[0][0])
        if moves and packet is not aten.copy_:
            out = _fresh(out, here[0][0])
        wrapped = tree_map(lambda one: Away(one) if isinstance(one, torch.Tensor) else one, out)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)

    def _moved(self, func, away, leaves, mixed) -> None:
        if leaves:
            self._count(self.waits, func, "to the CPU")
        elif mixed:
            self._count(self.uploads, func)

    def _count(self, counter: Counter, func, what: str = "") -> None:
        if self.counting:
            counter[self._entry(func, what)] += 1

    def _checked(self, func, args, kwargs, tensors, away) -> None:
        packet = func.overloadpacket
        if packet in READS or packet in SIZES_BY_VALUES:
            self._count(self.waits, func)
        others = [one for one in tensors if not isinstance(one, Away)]
        if packet in INDEXED:
            index = [one for one in tree_flatten(args[1])[0] if one is not None]
            if any(one.dtype in (torch.bool, torch.uint8) and isinstance(one, Away) for one in index):
                self._count(self.waits, func, "by a mask")
            others = [one for one in others if not any(one is i for i in index)]
            if not isinstance(args[0], Away):
                others = [args[0]]
            elif any(not isinstance(one, Away) for one in index):
                self._count(self.uploads, func, "an index")
        if torch.Tag.pointwise in func.tags or packet in INDEXED or packet in (aten.masked_fill, aten.masked_fill_,
                                                                                aten.where, aten.fill_):  # fmt: skip
            others = [one for one in others if one.ndim]
        if others:
            self.mixed[self._entry(func, " ".join(f"{tuple(one.shape)}" for one in others))] += 1

    def _entry(self, func, what: str = "") -> tuple[str, str]:
        return " ".join(filter(None, (str(func).removeprefix("aten."), what))), where()


def _fresh(out: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """What has moved shares no memory with where it was."""
    return out.clone() if out.data_ptr() == source.data_ptr() else out


def where() -> str:
    """The innermost line of the packages that is being run; in a backward pass that of its call."""
    frame = sys._getframe(1)
    while frame is not None:
        if (name := frame.f_code.co_filename).startswith(PACKAGES):
            return f"{Path(name).relative_to(ROOT)}:{frame.f_lineno} {frame.f_code.co_qualname}"
        frame = frame.f_back
    return "elsewhere"
