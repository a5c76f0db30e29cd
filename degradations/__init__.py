"""What happens to pictures: differentiable operators with adjoints, noise kept apart, and a text for each.

    import degradations

    phi = degradations.parse("gray+sr:2").build(seed=0)
    y = phi(x)                      # x: (N, 3, H, W) in [-1, 1]
    x = phi.merge(x, y)             # the nearest picture that phi maps to y

This package imports torch, numpy and Pillow, and nothing of ``dgp``.
"""

from degradations.base import Degradation
from degradations.blur import Blur, Defocus, MotionBlur
from degradations.chain import Chain
from degradations.color import Gray
from degradations.crop import Crop, Outpaint
from degradations.deepinv import from_deepinv
from degradations.deepinv_text import Deepinv
from degradations.errors import DegradationError, MaskError, PluginError, SizeError, SpecError
from degradations.geometry import Affine, Lens, Perspective
from degradations.identity import Identity
from degradations.impulse_noise import ImpulseNoise
from degradations.inpaint import Inpaint
from degradations.jpeg import Jpeg
from degradations.kernel import Kernel
from degradations.light_noise import PoissonNoise, SpeckleNoise
from degradations.matrix import Matrix
from degradations.mosaic import Mosaic
from degradations.noise import GaussianNoise, NoiseModel
from degradations.noisy import AdditiveNoise, Dropout, SaltAndPepper, ShotNoise, Speckle
from degradations.palette import Dither, Palette, Quantise
from degradations.parameter import Parameter
from degradations.photo import Photo
from degradations.registry import broken, describe, load_plugin, names, register
from degradations.rescale import Rescale
from degradations.scanlines import Scanlines
from degradations.scratches import find_damage
from degradations.sensing import Sensing
from degradations.spec import parse
from degradations.sr_dgp import PublishedSuperResolution
from degradations.sr_pulse import PulseSuperResolution
from degradations.superres import SuperResolution
from degradations.tint import Channel, Sepia, WhiteBalance
from degradations.tone import Fade, Gamma
from degradations.trial import try_out
from degradations.unknown import Unknown

__all__ = [
    "AdditiveNoise",
    "Affine",
    "Blur",
    "Chain",
    "Channel",
    "Crop",
    "Deepinv",
    "Defocus",
    "Degradation",
    "DegradationError",
    "Dither",
    "Dropout",
    "Fade",
    "Gamma",
    "GaussianNoise",
    "Gray",
    "Identity",
    "ImpulseNoise",
    "Inpaint",
    "Jpeg",
    "Kernel",
    "Lens",
    "MaskError",
    "Matrix",
    "Mosaic",
    "MotionBlur",
    "NoiseModel",
    "Outpaint",
    "Palette",
    "Parameter",
    "Photo",
    "Perspective",
    "PluginError",
    "PoissonNoise",
    "PublishedSuperResolution",
    "PulseSuperResolution",
    "Quantise",
    "Rescale",
    "SaltAndPepper",
    "Scanlines",
    "Sensing",
    "Sepia",
    "ShotNoise",
    "SizeError",
    "SpecError",
    "Speckle",
    "SpeckleNoise",
    "SuperResolution",
    "Unknown",
    "WhiteBalance",
    "broken",
    "describe",
    "find_damage",
    "from_deepinv",
    "load_plugin",
    "names",
    "parse",
    "register",
    "try_out",
]
