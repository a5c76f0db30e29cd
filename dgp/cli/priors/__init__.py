"""The commands of `dgp priors`.

To add one, write it in a file of its own, and add it to the group in ``commands``.
"""
