"""BigGAN (Brock et al. 2019) in the layout and with the key names of the authors' PyTorch release."""

from generators.biggan.discriminator import BigGANDiscriminator, DiscriminatorConfig
from generators.biggan.generator import BigGAN, BigGANConfig

__all__ = ["BigGAN", "BigGANConfig", "BigGANDiscriminator", "DiscriminatorConfig"]
