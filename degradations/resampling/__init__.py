"""Resizing that agrees with Pillow, and the super-resolution operators built on it.

To add one, subclass ``super_resolution.SuperResolution`` and register it by name.
"""
