"""A recipe made to fit: to a prior, a budget, and the unknown parameters of a degradation.

To add a requirement, state it in the recipe schema and check it in ``adapt``.
"""
