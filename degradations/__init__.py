"""Differentiable degradation operators with adjoints, noise models kept apart, and a text form for each.

    import degradations

    phi = degradations.parse("gray+sr:2").build(seed=0)
    y = phi(x)                      # x: (N, 3, H, W) in [-1, 1]
    x = phi.merge(x, y)             # the nearest picture that phi maps to y

This package imports torch, numpy and Pillow, and nothing of ``dgp``.

Public are the names in ``__all__`` and these modules:

- ``degradations.authoring``: a file to begin with, and a sheet that shows every operator,
- ``degradations.conformance``: the checks that every operator passes,
- ``degradations.files``: pictures, masks and matrices in files,
- ``degradations.jpeg``: quantisation tables,
- ``degradations.constants``: fixed numbers as tensors, made once for each device.

All other modules are internal.
"""

from degradations.blur.blur import Blur, Defocus, MotionBlur
from degradations.blur.kernel import Kernel
from degradations.core.base import Degradation
from degradations.core.chain import Chain
from degradations.core.identity import Identity
from degradations.core.parameter import Parameter
from degradations.core.probe import try_out
from degradations.core.registry import broken, describe, load_plugin, names, register
from degradations.core.spec import parse
from degradations.core.unknown import Unknown
from degradations.deepinv.adapter import from_deepinv
from degradations.deepinv.spec import Deepinv
from degradations.errors import DegradationError, MaskError, PluginError, SizeError, SpecError
from degradations.jpeg.jpeg import Jpeg
from degradations.masks.scratches import find_damage
from degradations.noise.impulse import ImpulseNoise
from degradations.noise.model import GaussianNoise, NoiseModel
from degradations.noise.signal_dependent import PoissonNoise, SpeckleNoise
from degradations.operators.crop import Crop, Outpaint, Window
from degradations.operators.geometry import Affine, Lens, Perspective
from degradations.operators.gray import Gray
from degradations.operators.inpaint import Inpaint
from degradations.operators.matrix import Matrix
from degradations.operators.mosaic import Mosaic
from degradations.operators.noisy import AdditiveNoise, Dropout, SaltAndPepper, ShotNoise, Speckle
from degradations.operators.palette import Dither, Palette, Quantise
from degradations.operators.photo import Photo
from degradations.operators.scanlines import Scanlines
from degradations.operators.sensing import Sensing
from degradations.operators.tint import Channel, Sepia, WhiteBalance
from degradations.operators.tone import Fade, Gamma
from degradations.resampling.published_dgp import PublishedSuperResolution
from degradations.resampling.published_pulse import PulseSuperResolution
from degradations.resampling.rescale import Rescale
from degradations.resampling.super_resolution import SuperResolution

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
    "Window",
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
