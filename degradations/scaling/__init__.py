"""Units of parameters, and the laws by which parameters and noise change when a picture is shrunk.

To add one, name a unit in ``units``, or a law in ``laws``: a function of the value and the factor of the sides.
"""
