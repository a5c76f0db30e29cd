"""Blur: convolutions with fixed and parametric kernels.

To add one, subclass ``convolution.Convolution``, define its ``kernel``, and register it by name.
"""
