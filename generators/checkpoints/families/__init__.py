"""State dictionaries of published checkpoints, renamed to ours, one file a family.

To add one, write a file with a layout and list it in ``checkpoints.layouts``.
"""
