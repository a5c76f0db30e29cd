"""Training of the project's own BigGAN and StyleGAN2 with their discriminators: ``python -m generators.training``.

To add an architecture, build its networks in ``loop.networks``, add its loss to ``loop.losses`` and its defaults to
``loop.settings``; to add an option, add it to ``command``.
"""
