"""One file for each family of operators that need no room of their own.

To add one, write a file with a registered ``core.base.Degradation`` and import it in ``degradations/__init__.py``.
"""
