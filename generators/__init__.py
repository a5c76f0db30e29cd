"""Pretrained generators as priors: read safely, split into stem, blocks and head, with their discriminators.

Public are the names in ``__all__`` and these modules:

- ``generators.bank``: pictures of a prior with their latents, drawn once and stored,
- ``generators.model_zoo``: published weights, their licences and addresses,
- ``generators.downloads``: fetch and verify them,
- ``generators.caching``: the folder of computed and downloaded files,
- ``generators.progress``: progress reports of long computations,
- ``generators.safetensors_files``: read files of named tensors within bounds,
- ``generators.text``: short descriptions of objects for messages,
- ``generators.training``: the command ``python -m generators.training``.

All other modules are internal. To add an architecture, see ``Generator``; to add a prior of your own, ``register`` or
``wrap``.
"""

from generators.bank import Bank, get_bank
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
    "Bank",
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
    "get_bank",
    "load",
    "names",
    "randomise",
    "register",
    "wrap",
]
