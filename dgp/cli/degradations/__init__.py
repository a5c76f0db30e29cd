"""``dgp degradations``: list, info, preview, and what authors need.

To add a command, write it in its own file and add it to the group in ``commands``.
"""
