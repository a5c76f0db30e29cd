"""BigGAN and BigGAN-deep (Brock et al. 2019), with the key names of the authors' PyTorch release."""

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
