"""Training of the project's own BigGAN and StyleGAN2, each with its discriminator: ``python -m generators.training``."""
