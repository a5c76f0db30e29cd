"""The layouts of weights that are known, in the order of recognition."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from generators.base import Discriminator, Generator
from generators.checkpoints import native
from generators.checkpoints.families import biggan, biggan_deep, biggan_deep_hf, stylegan1, stylegan2, stylegan3
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.read import DISCRIMINATORS, GENERATORS, Checkpoint
from generators.errors import WeightsError
from generators.text import escape


@dataclass(frozen=True)
class Layout:
    """words: for messages.  module: offers is_generator, is_discriminator, read_generator, read_discriminator."""

    description: str
    module: ModuleType


# BigGAN-deep goes before BigGAN, whose names it has among others.
LAYOUTS = (
    Layout("BigGAN-deep", biggan_deep),
    Layout("BigGAN", biggan),
    Layout("HuggingFace's BigGAN-deep", biggan_deep_hf),
    Layout("StyleGAN1", stylegan1),
    Layout("StyleGAN2", stylegan2),
    Layout("StyleGAN3", stylegan3),
)


def read_generator(
    checkpoint: Checkpoint, metadata: dict, classes: tuple[str, ...]
) -> tuple[Generator, tuple[str, ...]]:
    """(the generator of a file, what was assumed). said: what the file states, or one beside it.

    Raises WeightsError.
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
    return _find_discriminator(checkpoint) is not None


def read_discriminator(checkpoint: Checkpoint, generator: str) -> tuple[Discriminator, tuple[str, ...]]:
    """(the discriminator of a file, what was assumed). generator: the name of the one that it belongs to, for messages.

    Raises WeightsError.
    """
    found = _find_discriminator(checkpoint)
    if found is None:
        raise WeightsError(
            f"{checkpoint.path}: got {_describe(checkpoint)}, no discriminator; expected the D file that belongs "
            f"to {generator}"
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
    """What a file holds, for messages."""
    found = _find_discriminator(checkpoint)
    if found is not None and checkpoint.part(GENERATORS) in (None, found[0]):
        what, part = "a discriminator", found[0]
    else:
        what, part = "an unknown layout", checkpoint.part(GENERATORS) or checkpoint.part(DISCRIMINATORS)
    names = ", ".join(escape(name) for name in sorted(part.tensors)[:3])
    return f"{what} (tensors {names}, ...)"
