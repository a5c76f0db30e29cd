"""Pretrained generators as priors: read safely, split into stem, blocks and head, with their discriminators."""

from generators.base import Discriminator, Generator, GeneratorInfo, ParameterGroup, State
from generators.builtin import DEFAULT
from generators.convert import convert
from generators.downloads.fetch import find_fetched
from generators.errors import ClassError, ConversionError, FetchError, GeneratorError, UnknownPrior, WeightsError
from generators.latents import LatentSpec
from generators.load import load
from generators.prior import ModelCard, Prior
from generators.random_init import randomise
from generators.registry import names, register
from generators.wrapping.wrap import wrap

__all__ = [
    "DEFAULT",
    "ClassError",
    "ConversionError",
    "Discriminator",
    "FetchError",
    "Generator",
    "GeneratorError",
    "GeneratorInfo",
    "LatentSpec",
    "ModelCard",
    "ParameterGroup",
    "Prior",
    "State",
    "UnknownPrior",
    "WeightsError",
    "convert",
    "find_fetched",
    "load",
    "names",
    "randomise",
    "register",
    "wrap",
]
