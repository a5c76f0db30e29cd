"""The training loop: settings, data, networks, losses, steps and checkpoints.

To add a loss, write it in ``losses`` and add it to the loss of a step in ``run``; to add a setting, add it to
``settings.Settings``.
"""
