"""The StyleGAN family (Karras et al. 2019, 2020, 2021), with the parameter names of NVIDIA's PyTorch releases.

To add a generation, subclass ``StyleGenerator`` in a file of its own, reuse ``ops`` and ``mapping``, and list the
classes with their configurations in ``checkpoints.native``.
"""
