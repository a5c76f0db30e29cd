"""Operators of the deepinv package as degradations.

To add one, nothing is needed here: every class of ``deepinv.physics`` is accepted by its name. To add an exact formula
for one of its noise models, extend ``noise.py``.
"""
