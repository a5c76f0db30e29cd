"""Identification of damage: which degradation a picture has suffered, and with which parameters.

To add a damage to ``-d auto``, add it to ``damages.DAMAGES``; to add a statistic, compute it in ``statistics`` and
raise ``METHOD`` in ``estimate`` and ``ranking``, so that networks that were trained without it are not used any more.
"""
