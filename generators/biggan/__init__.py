"""BigGAN and BigGAN-deep (Brock et al. 2019), with the parameter names of the authors' PyTorch release.

To add a variant, subclass ``Generator`` or ``ProjectionDiscriminator`` here, reuse ``layers``, and list the classes
with their configurations in ``checkpoints.native``.
"""

from generators.biggan.deep_discriminator import BigGANDeepDiscriminator, DeepDiscriminatorConfig
from generators.biggan.deep_generator import BigGANDeep, BigGANDeepConfig
from generators.biggan.discriminator import BigGANDiscriminator, DiscriminatorConfig
from generators.biggan.generator import BigGAN, BigGANConfig

__all__ = [
    "BigGAN",
    "BigGANConfig",
    "BigGANDeep",
    "BigGANDeepConfig",
    "BigGANDeepDiscriminator",
    "BigGANDiscriminator",
    "DeepDiscriminatorConfig",
    "DiscriminatorConfig",
]
