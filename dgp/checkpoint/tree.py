"""Trees of state: nested dicts and lists whose leaves are tensors or JSON values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Tree = dict[str, "Tree"] | list["Tree"] | Tensor | float | int | str | bool | None

TENSOR = "$tensor"


def snapshot(tree: Tree) -> Tree:
    """Return a copy of a tree that later steps do not change, with every tensor detached."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: snapshot(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [snapshot(value) for value in tree]
    return tree


def flatten(tree: Tree) -> tuple[dict[str, Tensor], Any]:
    """Return the tensors of a tree by path, contiguous and on the CPU, and the rest as a value that JSON can hold.

    The order of a tensor's axes in memory, from which PyTorch chooses its kernels, and whether it was on the CPU, are
    kept beside it.
    """
    tensors: dict[str, Tensor] = {}

    def visit(value: Tree, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach().cpu().contiguous()
            where = {} if value.device.type == "cpu" else {"device": True}
            order = {} if value.is_contiguous() else {"stride": _dense_stride(value)}
            return {TENSOR: path, **where, **order}
        if isinstance(value, dict):
            return {key: visit(one, f"{path}/{key}") for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [visit(one, f"{path}/{number}") for number, one in enumerate(value)]
        return value

    return tensors, visit(tree, "")


def unflatten(tensors: dict[str, Tensor], content: Any, device: str | torch.device = "cpu") -> Tree:
    """Return the tree of which ``flatten`` made tensors and content.

    Args:
        tensors: by path.
        content: the rest.
        device: where tensors go that were not on the CPU.

    Raises:
        KeyError, ValueError: they do not belong together.
    """
    if isinstance(content, dict) and TENSOR in content:
        tensor = tensors[content[TENSOR]]
        if "stride" in content:
            _check_dense(tensor, content["stride"])
            tensor = torch.empty_strided(tensor.shape, content["stride"], dtype=tensor.dtype).copy_(tensor)
        return tensor.to(device) if content.get("device") else tensor
    if isinstance(content, dict):
        return {key: unflatten(tensors, value, device) for key, value in content.items()}
    if isinstance(content, list):
        return [unflatten(tensors, value, device) for value in content]
    return content


def _check_dense(tensor: Tensor, stride: list[int]) -> None:
    """Raise ValueError for strides that are not those of some order of the axes, without gaps."""
    step = 1
    for distance, length in sorted(zip(stride, tensor.shape, strict=True)):
        if length > 1 and distance != step:
            raise ValueError(f"a tensor of {tuple(tensor.shape)} cannot have strides {stride}")
        step *= length


def bytes_of(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor of any layout, in the order of its entries."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.stride(0) != 1:  # a single entry may have any stride
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy().data


def _dense_stride(tensor: Tensor) -> list[int]:
    """Return the strides that a copy of the tensor has in memory of its own."""
    return list(torch.empty_like(tensor, device="meta").stride())
