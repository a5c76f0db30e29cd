"""Projections of a picture onto the set that an operator maps to within the noise of y.

To add one, write a function of (operator, x, y) that returns x, and let ``core.base.Degradation.merge`` choose it.
"""
