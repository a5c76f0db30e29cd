"""Files that `generators.convert` wrote: the JSON in their header holds the architecture and all of its settings."""

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
from generators.checkpoints.families.fill import filled
from generators.checkpoints.reading.inert_pickle import shown
from generators.errors import ConversionError, WeightsError
from generators.stylegan.discriminator import StyleGAN2Discriminator, StyleGAN2DiscriminatorConfig
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config
from generators.stylegan.stylegan3 import StyleGAN3, StyleGAN3Config

# Larger than any size, number of classes or filter length of a network.
LARGEST_NUMBER, LONGEST_LIST, DEEPEST = 2**16, 256, 4


@dataclass(frozen=True)
class Architecture:
    """config: a dataclass of numbers, texts and tuples of them.  network: made of a config; takes class names as well
    where ``names_classes``."""

    config: type
    network: type[nn.Module]
    names_classes: bool = False


GENERATORS = {
    "biggan": Architecture(BigGANConfig, BigGAN, names_classes=True),
    "biggan-deep": Architecture(BigGANDeepConfig, BigGANDeep, names_classes=True),
    "stylegan1": Architecture(StyleGAN1Config, StyleGAN1),
    "stylegan2": Architecture(StyleGAN2Config, StyleGAN2, names_classes=True),
    "stylegan3": Architecture(StyleGAN3Config, StyleGAN3, names_classes=True),
}
DISCRIMINATORS = {
    "biggan": Architecture(DiscriminatorConfig, BigGANDiscriminator),
    "biggan-deep": Architecture(DeepDiscriminatorConfig, BigGANDeepDiscriminator),
    "stylegan2": Architecture(StyleGAN2DiscriminatorConfig, StyleGAN2Discriminator),
}


def architecture_of(network: Generator | Discriminator) -> str:
    """The name under which a network is written. Raises ConversionError for one that cannot be (a wrapped module)."""
    known = GENERATORS if isinstance(network, Generator) else DISCRIMINATORS
    for name, architecture in known.items():
        if type(network) is architecture.network:
            return name
    raise ConversionError(f"a {type(network).__name__} cannot be written; expected one of {', '.join(known)}")


def is_own(said: dict, part: str) -> bool:
    return isinstance(said.get("config"), dict) and said.get("part") == part


def read_generator(
    tensors: dict[str, Tensor], said: dict, source: str, classes: tuple[str, ...]
) -> tuple[Generator, tuple[str, ...]]:
    """(network, what was assumed when the file was written). Raises WeightsError."""
    return _network(GENERATORS, tensors, said, source, classes), assumed_of(said, source)


def read_discriminator(tensors: dict[str, Tensor], said: dict, source: str) -> tuple[Discriminator, tuple[str, ...]]:
    """As `read_generator`."""
    return _network(DISCRIMINATORS, tensors, said, source, ()), assumed_of(said, source)


def assumed_of(said: dict, source: str) -> tuple[str, ...]:
    return tuple(texts(said, "assumed", source))


def texts(said: dict, key: str, source: str) -> list[str]:
    """A list of texts of one line in the header, empty where it is silent. Raises WeightsError."""
    value = said.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise WeightsError(f"{source}: its header's {key} are no list of names; write the file again")
    return value


def _network(
    known: dict[str, Architecture], tensors: dict[str, Tensor], said: dict, source: str, classes: tuple[str, ...]
) -> Any:
    name = said.get("architecture")
    if not isinstance(name, str) or name not in known:
        raise WeightsError(
            f"{source}: its header says architecture {shown(str(name))!r}, expected one of {', '.join(known)}; it was "
            "written by another version of dgp"
        )
    architecture = known[name]
    make = architecture.network
    try:
        config = _config(architecture.config, said["config"], source)
        if classes and (not architecture.names_classes or len(classes) != getattr(config, "n_classes", 0)):
            raise WeightsError(
                f"{source}: names {len(classes)} classes, but its tensors have {getattr(config, 'n_classes', 0)}"
            )
        return filled(lambda: make(config, classes) if architecture.names_classes else make(config), tensors, source)
    except WeightsError:
        raise
    except Exception:  # numbers of all kinds meet the constructors
        raise WeightsError(f"{source}: its header describes no {name} that can be made; get it again") from None


def _config(kind: type, said: dict, source: str) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = sorted(said.keys() - known)
    if unknown:
        raise WeightsError(
            f"{source}: its header has the settings {', '.join(map(shown, unknown[:3]))}, expected those of "
            f"{kind.__name__}; it was written by another version of dgp"
        )
    return kind(**{name: _value(name, value, source) for name, value in said.items()})


def _value(name: str, value: object, source: str, depth: int = 0) -> object:
    """JSON's lists are tuples here. Numbers are bounded, since sizes are taken from them."""
    if isinstance(value, list) and depth < DEEPEST and len(value) <= LONGEST_LIST:
        return tuple(_value(name, item, source, depth + 1) for item in value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST_NUMBER:
        return value
    raise WeightsError(f"{source}: its header says {name} is {shown(str(value), 24)}, which no network has")
