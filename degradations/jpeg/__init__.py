"""JPEG compression: quantisation tables, a differentiable surrogate, and the true codec.

To add a codec, write an operator beside ``jpeg.py`` whose ``measure`` runs the codec.
"""
