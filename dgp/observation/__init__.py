"""The observation: the degraded picture, fitted to the prior, and the way back to its own size.

To add a way to fit pictures to a prior, name it in ``boxes.FITS`` and handle it in ``framing``.
"""
