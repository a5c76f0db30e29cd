"""Convolutions with fixed and parametric kernels.

To add one, subclass ``convolution.Convolution``, give its kernel, and register it by name.
"""
