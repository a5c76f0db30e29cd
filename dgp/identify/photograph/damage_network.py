"""The network that recognises damage in photographs, which comes with the package, and what it looks at."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from degradations.files.pictures import from_picture
from dgp.identify.chains import ChainOutputs
from dgp.identify.damages import COMMUTING, NAMES, SCRATCHES, get_damage
from dgp.identify.photograph.evidence import patch_statistics
from dgp.identify.photograph.patches import choose_patches
from dgp.identify.ranking import CHAINS
from dgp.identify.regression import Network, from_tensors
from dgp.identify.statistics import LUMA
from dgp.identify.tones import colour, tones
from generators.caching import load_or_compute

BUNDLED = Path(str(files("dgp.identify.photograph") / "bundled" / "damages.safetensors"))
OVERVIEW = 128  # pixels: side of the sample of pixels for the tones of the whole picture
# Scratches are found in the whole picture (``scratch_evidence``), not in patches.
PATCH_NAMES = tuple(name for name in NAMES if name != SCRATCHES)
PATCH_CHAINS = tuple(chain for chain in CHAINS if SCRATCHES not in chain)
# Strengths at which photographs are simulated, where they differ from those at the prior's resolution.
SIMULATED = {
    "blur": ("blur:sigma=0.9..6", "defocus:radius=1.7..10", "motion-blur:length=4.5..16,angle=-90..90"),
    "jpeg": ("jpeg:quality=5..60", "jpeg:quality=5..60,subsampling=444"),
}


def simulated_specs(name: str) -> tuple[str, ...]:
    """Return the specs by which a damage of photographs is simulated, one for each variant."""
    return SIMULATED.get(name, get_damage(name).simulated)


OUTPUTS = ChainOutputs(
    PATCH_CHAINS,
    PATCH_NAMES,
    COMMUTING,
    variants=tuple((name, len(simulated_specs(name))) for name in PATCH_NAMES if len(simulated_specs(name)) > 1),
)


def describe_tones(pictures: Tensor) -> Tensor:
    """Return statistics of the tones of whole pictures: (N, 3, h, w) in [-1, 1] -> (N, 29)."""
    levels = ((pictures + 1) * 127.5).round()
    return torch.cat([tones((levels * torch.tensor(LUMA)[:, None, None]).sum(1)), colour(levels)], 1)


def describe_photograph(picture: Image.Image) -> Tensor:
    """Return the inputs of the network: statistics of patches, each with the tones of the whole picture.

    Args:
        picture: 8-bit L or RGB.

    Returns:
        (n, F) float32.
    """
    patches = patch_statistics(choose_patches(picture).expand(-1, 3, -1, -1))
    size = tuple(min(n, OVERVIEW) for n in picture.size)
    # single pixels rather than means, which would hide noise and clipping
    sample = from_picture(picture.resize(size, Image.Resampling.NEAREST)).expand(-1, 3, -1, -1)
    return torch.cat([patches, describe_tones(sample).expand(len(patches), -1)], 1)


@functools.cache
def open_network() -> tuple[Network, float]:
    """Return the network, and the factor of its mean evidence."""

    def refuse() -> dict[str, Tensor]:
        raise FileNotFoundError(f"{BUNDLED} is missing or damaged; install the package again")

    tensors = dict(load_or_compute(BUNDLED, lambda found: "factor" in found, refuse))
    factor = float(tensors.pop("factor"))
    return from_tensors({name: value.float() for name, value in tensors.items()}), factor
