"""Masks of missing pixels: drawn from a seed, read from transparency, or found in a damaged photograph.

To add one, write a function that returns a (1, 1, H, W) bool tensor and call it in ``operators.inpaint``.
"""
