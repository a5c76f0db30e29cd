"""Turn any module into a Prior."""

from __future__ import annotations

import copy
import hashlib
import inspect
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from generators.errors import WeightsError
from generators.latents import sample_normal
from generators.prior import ModelCard, Prior
from generators.wrapping.layer_groups import has_kernel, list_children, make_parameter_groups, split_sequential
from generators.wrapping.modules import (
    PictureFormat,
    Taps,
    WrappedDiscriminator,
    WrappedGenerator,
    get_device_and_dtype,
)

PROBES = 4


def wrap(
    module: nn.Module,
    latent_shape: int | Sequence[int],
    *,
    resolution: int | None = None,
    discriminator: nn.Module | None = None,
    features: Taps | None = None,
    classes: Sequence[str] | int = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    range: tuple[float, float] = (-1, 1),
    name: str = "wrapped",
    card: ModelCard | None = None,
) -> Prior:
    """Make a Prior from a module that generates pictures from standard normal latents; the module is copied.

    Args:
        module: ``module(z)``, or ``module(z, labels)`` with classes: z (N, *latent_shape) from N(0, I), labels int64
            (N,) -> pictures (N, 3, R, R), or (N, 1, R, R), which become grey. The layers of an ``nn.Sequential`` become
            stem, blocks and head; any other module is one block. Rows must not depend on each other, nor on random
            numbers.
        latent_shape: of one row, (dim,) or (C, h, w).
        resolution: R; measured if left out, else checked.
        discriminator: ``discriminator(x)`` or ``discriminator(x, labels)``, of pictures as ``module`` makes them -> one
            number for each row, or a map of them. One that couples rows (minibatch statistics) is evaluated row by row.
        features: names of the discriminator's submodules whose outputs are the features, best those before an
            activation; or ``f(discriminator, x) -> [maps (N, C, h, w), shallow to deep[, vector (N, C)]]``. If left
            out, the outputs of all its layers but the last.
        classes: names of the classes, or their number.
        groups: {name: names of submodules or parameters}, coarse to fine, the last the head; every parameter in one of
            them. If left out, the layers of the module, first to last.
        range: the values of black and white in the module's pictures.
        name: of the prior.
        card: its model card.

    Raises:
        WeightsError: something does not fit; the message is one line.
    """
    low, high = range
    if not low < high:
        raise WeightsError(
            f"got range=({low}, {high}), expected the values of black and of white, as (-1, 1) or (0, 1)"
        )
    sizes = tuple(latent_shape) if isinstance(latent_shape, Sequence) else (latent_shape,)
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise WeightsError(f"got latent_shape={latent_shape!r}, expected that of one row, as 128 or (64, 4, 4)")
    shape = torch.Size(sizes)
    if isinstance(classes, int) and classes < 0:
        raise WeightsError(f"got classes={classes}, expected their names, or how many there are")
    labels = tuple(map(str, _range(classes) if isinstance(classes, int) else classes))
    network = _copy_frozen(module)
    inputs = _latents(network, shape, len(labels))
    pictures = _probe_generator(network, inputs, low=low, high=high, resolution=resolution)
    picture_format = PictureFormat(low, high, pictures.shape[1])
    parameter_groups = make_parameter_groups(network, groups, "network.")
    make_generator = lambda chain: WrappedGenerator(  # noqa: E731
        network,
        shape,
        resolution=pictures.shape[-1],
        pictures=picture_format,
        groups=parameter_groups,
        chain=chain,
        classes=labels,
    )
    generator = make_generator(() if labels else split_sequential(network))
    with torch.no_grad():
        if generator.chain and not _are_close([generator({"z": inputs[0]})], [picture_format.to_ours(pictures)]):
            generator = make_generator(())  # hooks or an own __call__ do more than the children
    wrapped = None
    if discriminator is not None:
        wrapped = _wrap_discriminator(
            discriminator, features, pictures=generator.pictures, examples=pictures, classes=len(labels)
        )
    elif features is not None:
        raise WeightsError("got features without a discriminator; features are read from one, so give it too")
    card = card or ModelCard(name, origin=f"{type(module).__name__}, wrapped")
    return Prior(name, generator, wrapped, card, sha256=hash_state_dict(network))


_range = range  # hidden in ``wrap`` by its argument, which has the usual name of colour ranges


def hash_state_dict(network: nn.Module) -> str:
    """Return the sha256 of a state dict: names, dtypes, shapes and contents."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _copy_frozen(module: nn.Module) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise WeightsError(f"got a {type(module).__name__}, expected an nn.Module")
    # deepcopy fails on weights that the last training step computed (older spectral_norm), as they belong to its graph.
    computed = (
        v for layer in module.modules() for v in vars(layer).values() if isinstance(v, Tensor) and not v.is_leaf
    )
    try:
        network = copy.deepcopy(module, {id(value): value.detach().clone() for value in computed})
        return network.eval().requires_grad_(False)
    except (RuntimeError, ValueError, TypeError) as error:  # of lazy and scripted modules
        raise WeightsError(f"{type(module).__name__} cannot be copied and frozen: {_first_line(error)}") from error


def _latents(network: nn.Module, shape: torch.Size, classes: int) -> tuple[Tensor, ...]:
    """Return a few latents and, with classes, labels from the first to the last."""
    z = sample_normal(PROBES, shape.numel(), 1, torch.Generator().manual_seed(0))
    device, dtype = get_device_and_dtype(network)
    z = z.view(PROBES, *shape).to(device, dtype)
    return (z, torch.linspace(0, classes - 1, PROBES, device=device).long()) if classes else (z,)


@torch.no_grad()
def _probe_generator(
    network: nn.Module, inputs: tuple[Tensor, ...], low: float, high: float, resolution: int | None
) -> Tensor:
    """Return the pictures of a few latents.

    Raises:
        WeightsError: the network is not a generator of independent rows.
    """
    kind, z = type(network).__name__, tuple(inputs[0].shape)
    asked = f"latents {z}" + (" and labels" if len(inputs) > 1 else "")
    try:
        x = network(*inputs)
    except Exception as error:  # third-party code may raise anything
        raise WeightsError(f"{kind} could not read {asked}: {_first_line(error)}") from error
    if not isinstance(x, Tensor) or x.ndim != 4 or len(x) != PROBES or x.shape[1] not in (1, 3):
        raise WeightsError(f"{kind} gave {_describe(x)} for {asked}; expected pictures (N, 3, R, R)")
    height, width = x.shape[2:]
    if height != width or resolution not in (None, height):
        raise WeightsError(
            f"{kind} gave pictures of {width}x{height}; expected {resolution or width}x{resolution or width}"
        )
    if not x.isfinite().all():
        raise WeightsError(f"{kind} gave pictures with NaN or Infinity; train it again, or load its weights")
    slack = (high - low) / 2
    if ((x < low - slack) | (x > high + slack)).float().mean() > 0.01:
        raise WeightsError(
            f"{kind} gave values from {x.min():.3g} to {x.max():.3g}, expected {low:g} to {high:g}; "
            "give these as range="
        )
    if (low, high) == (-1, 1) and x.min() >= 0 and x.max() <= 1:
        warnings.warn(
            f"{kind} gave values in [0, 1] only; if these are black and white, add range=(0, 1)", stacklevel=4
        )
    near = (high - low) * (1e-3 if x.dtype in (torch.float32, torch.float64) else 3e-2)
    if (network(*inputs) - x).abs().max() > near:
        raise WeightsError(f"{kind} gave two pictures for one latent; take the random numbers out of its forward")
    try:
        alone = torch.cat([network(*(value[row : row + 1] for value in inputs)) for row in _range(PROBES)])
    except Exception as error:
        raise WeightsError(f"{kind} could not read a single row: {_first_line(error)}") from error
    if (alone - x).abs().max() > near:
        raise WeightsError(
            f"{kind} couples rows: a latent gives a different picture alone than in a batch; "
            "let its norms use running statistics (track_running_stats=True)"
        )
    return x


@torch.no_grad()
def _wrap_discriminator(
    discriminator: nn.Module, features: Taps | None, pictures: PictureFormat, examples: Tensor, classes: int
) -> WrappedDiscriminator:
    network = _copy_frozen(discriminator)
    kind = type(network).__name__
    taps = _choose_taps(network) if features is None else features
    if isinstance(taps, str):
        taps = (taps,)
    if not callable(taps):
        names = dict(network.named_modules())
        if unknown := [name for name in taps if name not in names]:
            raise WeightsError(
                f"{kind} has no submodule {unknown[0]!r}; expected of: {', '.join(n for n in names if n)}"
            )
    wrapped = WrappedDiscriminator(network, taps, pictures, labelled=bool(classes) and _takes_labels(network))
    wrapped.eval().requires_grad_(False)
    x = pictures.to_ours(examples.to(*get_device_and_dtype(network)))
    try:
        wrapped.logit(x)
        found = wrapped.features(x)
    except Exception as error:
        raise WeightsError(f"{kind} could not read pictures {tuple(examples.shape)}: {_first_line(error)}") from error
    if not found or any(f.ndim not in (2, 4) or len(f) != PROBES for f in found):
        shapes = ", ".join(_describe(f) for f in found) or "nothing"
        raise WeightsError(f"features of {kind} are {shapes}; expected maps (N, C, h, w) and vectors (N, C)")
    alone = [torch.cat(maps) for maps in zip(*(wrapped.features(row) for row in x.split(1)), strict=True)]
    if not _are_close(found, alone):
        wrapped.rowwise = True
        warnings.warn(f"{kind} couples rows, and is read one row at a time, which is slower", stacklevel=4)
    if wrapped.labelled:
        others = wrapped.features(x, torch.full((PROBES,), classes - 1, device=x.device))
        if not _are_close(wrapped.features(x), others):
            raise WeightsError(f"features of {kind} depend on the label; name those that do not by features=")
    return wrapped


def _choose_taps(network: nn.Module) -> list[str]:
    """Return the first child with a kernel of each layer but the last: its output comes before norm and activation."""
    module = network.get_submodule
    kernels = [
        name
        for name in list_children(network)
        if has_kernel(module(name)) and not isinstance(module(name), nn.Embedding)
    ]
    if len(kernels) < 2:
        raise WeightsError(
            f"{type(network).__name__} shows no layers before its last; name its submodules by features="
        )
    return kernels[:-1]


def _takes_labels(network: nn.Module) -> bool:
    """Return whether ``forward`` has two required arguments."""
    required = [
        p
        for p in inspect.signature(network.forward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return len(required) > 1


def _are_close(some: list[Tensor], others: list[Tensor]) -> bool:
    """Return whether two lists of features agree up to rounding, relative to the deviation of each."""
    return all(
        (a - b).abs().max() <= 1e-3 * max(float(a.std()), 1e-6) * (1 if a.dtype == torch.float32 else 30)
        for a, b in zip(some, others, strict=True)
    )


def _describe(x: object) -> str:
    return f"{tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0][:160]
