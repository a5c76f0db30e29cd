"""Conversion between files (pictures, masks, matrices) and tensors.

To add a file format, extend the reader of its kind: ``pictures``, ``masks`` or ``arrays``.
"""
