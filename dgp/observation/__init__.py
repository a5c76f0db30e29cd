"""The picture to explain: opening it, fitting it to the prior, and the way back to its own size.

To add a way to fit, extend ``framing`` and the record in ``geometry``.
"""
