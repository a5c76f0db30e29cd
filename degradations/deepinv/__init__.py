"""Operators of the deepinv package as degradations.

To add support for another of its noise models, extend ``noise.py``.
"""
