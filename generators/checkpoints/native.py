"""Files written by ``generators.convert``, whose header holds the architecture and all of its settings as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from generators.base import Discriminator, Generator
from generators.biggan import (
    BigGAN,
    BigGANConfig,
    BigGANDeep,
    BigGANDeepConfig,
    BigGANDeepDiscriminator,
    BigGANDiscriminator,
    DeepDiscriminatorConfig,
    DiscriminatorConfig,
)
from generators.checkpoints.families.build import build_and_load
from generators.errors import ConversionError, WeightsError
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config
from generators.stylegan.stylegan3 import StyleGAN3, StyleGAN3Config
from generators.text import escape

# Bounds beyond any real network, since the numbers of a file determine how much is allocated.
LARGEST_NUMBER, LONGEST_LIST, DEEPEST = 2**16, 256, 4


@dataclass(frozen=True)
class Architecture:
    """An architecture that files are written for.

    Attributes:
        config: a dataclass of numbers, texts and tuples of them.
        network: built from a config; takes class names as well if ``names_classes``.
        names_classes: whether it takes class names.
    """

    config: type
    network: type[nn.Module]
    names_classes: bool = False


GENERATORS = {
    "biggan": Architecture(BigGANConfig, BigGAN, names_classes=True),
    "biggan-deep": Architecture(BigGANDeepConfig, BigGANDeep, names_classes=True),
    "mobilestylegan": Architecture(MobileStyleGANConfig, MobileStyleGAN),
    "stylegan1": Architecture(StyleGAN1Config, StyleGAN1),
    "stylegan2": Architecture(StyleGAN2Config, StyleGAN2, names_classes=True),
    "stylegan3": Architecture(StyleGAN3Config, StyleGAN3, names_classes=True),
}
DISCRIMINATORS = {
    "biggan": Architecture(DiscriminatorConfig, BigGANDiscriminator),
    "biggan-deep": Architecture(DeepDiscriminatorConfig, BigGANDeepDiscriminator),
    "stylegan2": Architecture(StyleGAN2DiscriminatorConfig, StyleGAN2Discriminator),
}


def get_architecture_name(network: Generator | Discriminator) -> str:
    """Return the name of a network's architecture.

    Raises:
        ConversionError: it has none, such as a wrapped module.
    """
    known = GENERATORS if isinstance(network, Generator) else DISCRIMINATORS
    for name, architecture in known.items():
        if type(network) is architecture.network:
            return name
    raise ConversionError(f"a {type(network).__name__} cannot be written; expected one of {', '.join(known)}")


def is_native(metadata: dict, part: str) -> bool:
    """Return whether the metadata are those of ``convert``, for this part ("generator" or "discriminator")."""
    return isinstance(metadata.get("config"), dict) and metadata.get("part") == part


def read_generator(
    tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...]
) -> tuple[Generator, tuple[str, ...]]:
    """Build the generator of a file written by ``convert``.

    Returns:
        (the generator, settings that were assumed when the file was written).

    Raises:
        WeightsError: the header or the tensors are wrong.
    """
    return _build(GENERATORS, tensors, metadata=metadata, source=source, classes=classes), read_assumptions(
        metadata, source
    )


def read_discriminator(
    tensors: dict[str, Tensor], metadata: dict, source: str
) -> tuple[Discriminator, tuple[str, ...]]:
    """Build the discriminator of a file written by ``convert``; see ``read_generator``."""
    return _build(DISCRIMINATORS, tensors, metadata=metadata, source=source, classes=()), read_assumptions(
        metadata, source
    )


def read_assumptions(metadata: dict, source: str) -> tuple[str, ...]:
    return tuple(read_strings(metadata, "assumed", source))


def read_strings(metadata: dict, key: str, source: str) -> list[str]:
    """Return a list of one-line texts from the header, empty if the key is missing.

    Raises:
        WeightsError: the value is something else.
    """
    value = metadata.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise WeightsError(f"{source}: its header's {key} are not a list of names; write the file again")
    return value


def _build(
    known: dict[str, Architecture], tensors: dict[str, Tensor], metadata: dict, source: str, classes: tuple[str, ...]
) -> Any:
    name = metadata.get("architecture")
    if not isinstance(name, str) or name not in known:
        raise WeightsError(
            f"{source}: its header says architecture {escape(str(name))!r}, expected one of {', '.join(known)}; it was "
            "written by another version of dgp"
        )
    architecture = known[name]
    make = architecture.network
    try:
        config = _make_config(architecture.config, metadata["config"], source)
        if classes and (not architecture.names_classes or len(classes) != getattr(config, "n_classes", 0)):
            raise WeightsError(
                f"{source}: names {len(classes)} classes, but its tensors have {getattr(config, 'n_classes', 0)}"
            )
        return build_and_load(
            lambda: make(config, classes) if architecture.names_classes else make(config), tensors, source
        )
    except WeightsError:
        raise
    except Exception:  # constructors may raise anything for arbitrary numbers
        raise WeightsError(f"{source}: its header does not describe a valid {name}; get it again") from None


def _make_config(kind: type, metadata: dict, source: str) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = sorted(metadata.keys() - known)
    if unknown:
        raise WeightsError(
            f"{source}: its header has the settings {', '.join(map(escape, unknown[:3]))}, expected those of "
            f"{kind.__name__}; it was written by another version of dgp"
        )
    return kind(**{name: _check_value(name, value, source) for name, value in metadata.items()})


def _check_value(name: str, value: object, source: str, depth: int = 0) -> object:
    """Convert JSON lists to tuples, and check that numbers are bounded, since sizes are taken from them."""
    if isinstance(value, list) and depth < DEEPEST and len(value) <= LONGEST_LIST:
        return tuple(_check_value(name, item, source, depth + 1) for item in value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST_NUMBER:
        return value
    raise WeightsError(f"{source}: its header says {name} is {escape(str(value), 24)}, which no network has")
