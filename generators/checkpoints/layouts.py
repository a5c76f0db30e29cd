"""The known layouts of weights, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from generators.base import Discriminator, Generator
from generators.checkpoints import native
from generators.checkpoints.families import (
    biggan,
    biggan_deep,
    biggan_deep_hf,
    mobile_stylegan,
    stylegan1,
    stylegan2,
    stylegan3,
)
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.read import DISCRIMINATORS, GENERATORS, Checkpoint
from generators.errors import WeightsError
from generators.text import escape


@dataclass(frozen=True)
class Layout:
    """A layout of weights.

    Attributes:
        description: for messages.
        module: has is_generator, is_discriminator, read_generator and read_discriminator.
    """

    description: str
    module: ModuleType


# BigGAN-deep comes first, since its names include those of BigGAN.
LAYOUTS = (
    Layout("BigGAN-deep", biggan_deep),
    Layout("BigGAN", biggan),
    Layout("HuggingFace's BigGAN-deep", biggan_deep_hf),
    Layout("StyleGAN1", stylegan1),
    Layout("MobileStyleGAN", mobile_stylegan),  # before StyleGAN2, some of whose names it has
    Layout("StyleGAN2", stylegan2),
    Layout("StyleGAN3", stylegan3),
)


def read_generator(
    checkpoint: Checkpoint, metadata: dict, classes: tuple[str, ...]
) -> tuple[Generator, tuple[str, ...]]:
    """Build the generator of a checkpoint.

    Args:
        checkpoint: the file.
        metadata: what it states, or a config.json beside it.
        classes: names of the classes, or ().

    Returns:
        (the generator, settings that were assumed).

    Raises:
        WeightsError: the layout is unknown, or the tensors do not fit it.
    """
    part = checkpoint.part(GENERATORS)
    if part is not None and native.is_native(part.metadata, "generator"):
        return native.read_generator(part.tensors, part.metadata, str(checkpoint.path), classes)
    layout = None if part is None else next((x for x in LAYOUTS if x.module.is_generator(part.tensors)), None)
    if layout is None:
        known = ", ".join(layout.description for layout in LAYOUTS if layout.module is not biggan)
        raise WeightsError(
            f"{checkpoint.path}: got {_describe(checkpoint)}, expected a BigGAN generator, or one of {known}"
        )
    return layout.module.read_generator(part.tensors, metadata, str(checkpoint.path), classes)


def has_discriminator(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint holds a discriminator of a known layout."""
    return _find_discriminator(checkpoint) is not None


def read_discriminator(checkpoint: Checkpoint, generator: str) -> tuple[Discriminator, tuple[str, ...]]:
    """Build the discriminator of a checkpoint.

    Args:
        checkpoint: the file.
        generator: the name of the generator that it belongs to, for messages.

    Returns:
        (the discriminator, settings that were assumed).

    Raises:
        WeightsError: there is none, or its tensors do not fit its layout.
    """
    found = _find_discriminator(checkpoint)
    if found is None:
        raise WeightsError(
            f"{checkpoint.path}: got {_describe(checkpoint)}, which is not a discriminator; expected the D file "
            f"that belongs to {generator}"
        )
    part, layout = found
    if native.is_native(part.metadata, "discriminator"):
        return native.read_discriminator(part.tensors, part.metadata, str(checkpoint.path))
    return layout.module.read_discriminator(part.tensors, part.metadata, str(checkpoint.path))


def _find_discriminator(checkpoint: Checkpoint) -> tuple[Part, Layout] | None:
    part = checkpoint.part(DISCRIMINATORS)
    if part is None:
        return None
    return next(((part, layout) for layout in LAYOUTS if layout.module.is_discriminator(part.tensors)), None)


def _describe(checkpoint: Checkpoint) -> str:
    """Describe what a file holds, for messages."""
    found = _find_discriminator(checkpoint)
    if found is not None and checkpoint.part(GENERATORS) in (None, found[0]):
        what, part = "a discriminator", found[0]
    else:
        what, part = "an unknown layout", checkpoint.part(GENERATORS) or checkpoint.part(DISCRIMINATORS)
    names = ", ".join(escape(name) for name in sorted(part.tensors)[:3])
    return f"{what} (tensors {names}, ...)"
