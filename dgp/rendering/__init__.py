"""From variables and released weights to pictures.

To add a way to give the generator its input or to transform its picture, see ``dgp.variables.parametrizations``.
"""
