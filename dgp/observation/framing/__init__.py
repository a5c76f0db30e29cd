"""Framing: fitting a picture of any size into the prior's square, with a copy of the degradation for that square.

To add one, write a function from the degradation and a ``request.FramingRequest`` to a ``request.FramedInput`` in a
file of its own, and call it in ``degraded.frame_degraded``.
"""
