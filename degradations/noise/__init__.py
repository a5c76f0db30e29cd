"""Noise models: how to sample one, and how likely one makes a difference.

To add one, subclass ``model.NoiseModel`` and set it as the ``noise`` of an operator.
"""
