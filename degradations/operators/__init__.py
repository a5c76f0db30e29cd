"""Operators that need no folder of their own, one file for each family.

To add one, write a file with a registered ``core.base.Degradation`` and import it in ``degradations/__init__.py``.
"""
