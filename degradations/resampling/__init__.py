"""Resizing that agrees with Pillow, and the super-resolution operators built on it.

To add one, subclass ``super_resolution.Separable``, return its two matrices, and register it by name.
"""
