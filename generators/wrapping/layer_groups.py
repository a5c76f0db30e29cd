"""Split the network of a wrapped module into layers, and its parameters into groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from generators.base import ParameterGroup
from generators.errors import WeightsError


def has_kernel(module: nn.Module) -> bool:
    """Return whether a module holds matrices or kernels.

    Layers of vectors only (norms, slopes, biases) belong to the layer before them.
    """
    return any(parameter.ndim >= 2 for parameter in module.parameters())


def list_children(network: nn.Module) -> list[str]:
    """Return the names of a network's children, in the order in which they were made.

    Lists of modules are replaced by their members. A network with one child that holds all parameters (embeddings
    apart) is replaced by that child.
    """
    names = []
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            names += [f"{name}.{inner}" for inner, _ in child.named_children()]
        else:
            names.append(name)
    holding = [
        name
        for name in names
        if any(True for _ in network.get_submodule(name).parameters()) and not _are_embeddings(network, [name])
    ]
    if len(holding) == 1 and not any(True for _ in network.parameters(recurse=False)):
        (only,) = holding
        inner = [f"{only}.{name}" for name in list_children(network.get_submodule(only))]
        if inner:
            embeddings = [name for name in names if _are_embeddings(network, [name])]
            return [*embeddings, *inner]
    return names


def group_into_layers(network: nn.Module, names: Sequence[str]) -> list[list[str]]:
    """Group children into layers; each begins with a child that has a kernel."""
    cut: list[list[str]] = []
    for name in names:
        kernel = has_kernel(network.get_submodule(name))
        if cut and (not kernel or not any(has_kernel(network.get_submodule(earlier)) for earlier in cut[-1])):
            cut[-1].append(name)
        else:
            cut.append([name])
    return cut


def split_sequential(network: nn.Module) -> list[list[str]]:
    """Return the layers of a plain ``nn.Sequential``, each of which takes the output of the one before; else []."""
    if type(network).forward is not nn.Sequential.forward:
        return []
    children = dict(network.named_children())
    if len(children) == 1:
        (name,) = children
        return [[f"{name}.{inner}" for inner in layer] for layer in split_sequential(children[name])]
    cut = group_into_layers(network, list(children))
    return cut if len(cut) > 1 else []


def make_parameter_groups(
    network: nn.Module, groups: Mapping[str, Sequence[str]] | None, prefix: str
) -> tuple[ParameterGroup, ...]:
    """Make parameter groups, coarse to fine; the last one is the head.

    Parameters of the network itself are in the first group. Embeddings are released by name only.

    Args:
        network: the wrapped module.
        groups: name -> names of submodules or parameters; None for the layers of the network, first to last.
        prefix: put before the network's parameter names.

    Raises:
        WeightsError: a parameter is in no group, or in several.
    """
    parameters = [name for name, _ in network.named_parameters()]
    if groups is None:
        named = {layer[0]: layer for layer in group_into_layers(network, list_children(network))} or {"all": parameters}
        loose = [
            name for name in parameters if not any(is_inside(name, piece) for ps in named.values() for piece in ps)
        ]
        first = next(iter(named))
        named[first] = [*loose, *named[first]]
    else:
        named = {name: [inner] if isinstance(inner, str) else list(inner) for name, inner in groups.items()}
    members = {
        group: [name for name in parameters if any(is_inside(name, piece) for piece in inner)]
        for group, inner in named.items()
    }
    empty = [
        piece for inner in named.values() for piece in inner if not any(is_inside(name, piece) for name in parameters)
    ]
    if groups is not None and empty:
        raise WeightsError(f"groups: {empty[0]!r} names no parameters; expected names as {parameters[0]!r}, or a part")
    _check_cover(parameters, members)
    members = {group: found for group, found in members.items() if found}
    walked = [group for group in members if not _are_embeddings(network, named[group])] or list(members)
    return tuple(
        ParameterGroup(
            group,
            tuple(prefix + name for name in found),
            head=group == walked[-1],
            progressive=walked == [group] or group in walked[:-1],
        )
        for group, found in members.items()
    )


def is_inside(parameter: str, module: str) -> bool:
    """Return whether a parameter belongs to a submodule, or is the named parameter itself."""
    return parameter == module or parameter.startswith(module + ".")


def _are_embeddings(network: nn.Module, names: Sequence[str]) -> bool:
    """Return whether the named submodules are all embeddings."""
    modules = dict(network.named_modules())
    found = [modules[name] for name in names if name in modules]
    return bool(found) and all(isinstance(module, nn.Embedding) for module in found)


def _check_cover(parameters: list[str], members: Mapping[str, list[str]]) -> None:
    placed = [name for found in members.values() for name in found]
    if missing := [name for name in parameters if name not in placed]:
        raise WeightsError(f"groups: {missing[0]} is in none of {', '.join(members)}; every parameter needs one group")
    if twice := [name for name in parameters if placed.count(name) > 1]:
        inside = [group for group, found in members.items() if twice[0] in found]
        raise WeightsError(f"groups: {twice[0]} is in {' and '.join(inside)}; every parameter needs one group")
