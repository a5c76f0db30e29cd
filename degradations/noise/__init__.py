"""Noise models: how to sample noise, and how likely an observation is.

To add one, subclass ``model.NoiseModel`` and set it as the ``noise`` of an operator.
"""
