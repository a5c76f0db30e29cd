"""Training of the project's own BigGAN and StyleGAN2 with their discriminators: ``python -m generators.training``.

To add an architecture, build its networks in ``networks.build_pair``, its loss in ``losses``, and its defaults in
``settings.default_settings``.
"""
