"""``dgp priors``: list, info, fetch, verify, convert, sample.

To add a command, write it in its own file and add it to the group in ``commands``.
"""
