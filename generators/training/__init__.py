"""Training of the project's own BigGAN and StyleGAN2 with their discriminators: ``python -m generators.training``."""
