"""Projections of a picture onto the pictures that an operator maps to an observation, up to its noise.

To add one, write a function of (operator, x, y) that returns x, and let ``core.base.Degradation.merge`` choose it.
"""
