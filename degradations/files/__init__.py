"""Pictures, masks and matrices in files, and tensors in memory.

To add a file format, extend the reader of its kind: ``pictures``, ``masks`` or ``arrays``.
"""
